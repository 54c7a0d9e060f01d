"""Types of requests and responses, from which the OpenAPI description is made."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

RawId = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | StrictStr
Unknown = Literal["error", "popular"]


class _Body(BaseModel):
    """A request body, which must not have unknown fields."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Ruled(_Body):
    """Rules of a request, which replace the recommender's own; `docs/recommender.md` explains them."""

    where: str | None = Field(None, max_length=2000, description="Condition on columns of the metadata.")
    available: str | None = Field(None, description="Boolean column: which items may be recommended.")
    at_most: dict[str, int] | None = Field(
        None, description="Maximum number of items of a list with the same value, by column."
    )
    at_least: dict[str, int] | None = Field(
        None, description="Minimum number of items of a list for which a column is true, by column."
    )
    boost: dict[str, float] | None = Field(
        None, description="Weight with which a column is added to the scores of items, by column."
    )
    diversity: float | None = Field(None, ge=0, le=1, description="Weight of diversity.")
    calibrate: str | dict[str, float] | None = Field(
        None, description="Column whose proportions in the user's history a list keeps."
    )
    explore: float | None = Field(
        None, ge=0, lt=1, description="Probability that a place gets a random item."
    )
    pool: int = Field(
        100,
        ge=1,
        lt=2**31,
        description="Number of best items that `diversity` and `calibrate` choose from. The range of their "
        "scores is the unit of `boost`.",
    )
    seed: int | None = Field(
        None, ge=0, description="Seed of `explore`. Default: a new one for each request."
    )

    def rules(self) -> dict[str, Any]:
        """The rules that the request sets."""
        return self.model_dump(include=set(_Ruled.model_fields) & self.model_fields_set)


class Many(_Ruled):
    """A request for the lists of several users."""

    users: list[RawId] = Field(min_length=1, description="Raw user ids.")
    k: int | None = Field(None, ge=1, description="Length of a list. Default: 10.")
    exclude_seen: bool = Field(True, description="Leave out items that the user has had.")
    only: list[RawId] | None = Field(None, description="Items that may be recommended. Default: all.")
    exclude: list[RawId] | None = Field(None, description="Items that may not be recommended.")
    unknown: Literal["error", "skip", "popular"] = Field(
        "error", description="For unknown users: an error, no list, or popular items."
    )


class History(_Body):
    """The history of somebody who was not in training."""

    items: list[RawId] = Field(min_length=1, description="Raw item ids.")
    values: list[float] | None = Field(None, description="Values of the items, one number per item.")
    k: int | None = Field(None, ge=1, description="Length of the list. Default: 10.")
    only: list[RawId] | None = Field(None, description="Items that may be recommended. Default: all.")
    exclude: list[RawId] | None = Field(None, description="Items that may not be recommended.")


class Event(_Body):
    """A user had an item."""

    user: RawId
    item: RawId
    value: float | None = Field(None, description="A rating or a count, if the model was trained on those.")
    time: StrictInt | StrictStr | None = Field(
        None, description="ISO 8601 text or a whole number, as in training. Default: now."
    )


class Events(_Body):
    """Events, which are accepted all or none."""

    events: list[Event] = Field(min_length=1)


class Row(BaseModel):
    """An item of a list."""

    rank: int
    item: int | str
    score: float | None = Field(description="None in a list of popular items.")
    propensity: float | None = Field(
        None, description="With `explore`: probability of the item at its place."
    )
    metadata: dict[str, Any] = Field(description="Metadata of the item.")


class ListOfUser(BaseModel):
    """The list of one of several users."""

    user: int | str
    items: list[Row]
    fallback: bool = Field(description="Whether the user is unknown and these are popular items.")


class UserList(ListOfUser):
    """The list of a user."""

    version: str = Field(description="Version of the model file: the first digits of its SHA-256.")


class Lists(BaseModel):
    """The lists of several users, in the order of the request."""

    lists: list[ListOfUser]
    version: str


class Items(BaseModel):
    """A list of items for no particular user."""

    items: list[Row]
    version: str


class Contribution(BaseModel):
    """A contribution to a score."""

    kind: str
    name: int | str | None
    contribution: float | None
    exact: bool = Field(description="Whether the contribution is exact, or an approximation.")


class Neighbor(Row):
    """An item of the user that is similar to the explained item."""

    similarity: float | None


class Explanation(BaseModel):
    """The contributions to the score of a pair."""

    user: int | str
    item: int | str
    score: float | None
    raw_score: float | None
    contributions: list[Contribution]
    neighbors: list[Neighbor]
    version: str


class Taken(BaseModel):
    """Events that have been written to disk."""

    taken: int


class State(BaseModel):
    """The state of the server."""

    model: str
    version: str
    n_users: int
    n_items: int
    refused: str | None = Field(description="Why the current file is not served.")


class Problem(BaseModel):
    """An error, in one sentence."""

    detail: str
