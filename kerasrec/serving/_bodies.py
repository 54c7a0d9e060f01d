"""What requests and answers hold; the OpenAPI description comes from here."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

RawId = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | StrictStr
Unknown = Literal["error", "popular"]


class _Body(BaseModel):
    """A name that is not known is refused: it was meant for something."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Ruled(_Body):
    """Rules of a request, each in the place of the recommender's own; `docs/recommender.md` explains them."""

    where: str | None = Field(None, max_length=2000, description="Condition on columns of the metadata.")
    available: str | None = Field(None, description="Column of truth values: what may be recommended.")
    at_most: dict[str, int] | None = Field(None, description="How many items of a list share a value.")
    at_least: dict[str, int] | None = Field(None, description="How many items of a list are true of it.")
    boost: dict[str, float] | None = Field(None, description="What is added to the scores of items.")
    diversity: float | None = Field(None, ge=0, le=1, description="Weight of the items' unlikeness.")
    calibrate: str | dict[str, float] | None = Field(None, description="Column whose shares a list keeps.")
    explore: float | None = Field(None, ge=0, lt=1, description="How often an item is drawn at random.")

    def rules(self) -> dict[str, Any]:
        """Those that the request names."""
        return self.model_dump(include=set(_Ruled.model_fields) & self.model_fields_set)


class Many(_Ruled):
    """Lists of several users."""

    users: list[RawId] = Field(min_length=1, description="Raw user ids.")
    k: int | None = Field(None, ge=1, description="Length of a list; 10 otherwise.")
    exclude_seen: bool = Field(True, description="Leave out what a user had.")
    only: list[RawId] | None = Field(None, description="The items that may be recommended; all otherwise.")
    exclude: list[RawId] | None = Field(None, description="Items that may not be recommended.")
    unknown: Literal["error", "skip", "popular"] = Field(
        "error", description="Unknown users: an error, no list, or what is popular."
    )


class History(_Body):
    """What somebody has who was not in training."""

    items: list[RawId] = Field(min_length=1, description="Raw item ids.")
    values: list[float] | None = Field(None, description="What each is worth, a number an item.")
    k: int | None = Field(None, ge=1, description="Length of the list; 10 otherwise.")
    only: list[RawId] | None = Field(None, description="The items that may be recommended; all otherwise.")
    exclude: list[RawId] | None = Field(None, description="Items that may not be recommended.")


class Event(_Body):
    """A user had an item."""

    user: RawId
    item: RawId
    value: float | None = Field(None, description="A rating or a count, where the model was made of those.")
    time: StrictInt | StrictStr | None = Field(
        None, description="When: ISO 8601 text or a whole number, as in training; now otherwise."
    )


class Events(_Body):
    """Events, all of which are taken or none."""

    events: list[Event] = Field(min_length=1)


class Row(BaseModel):
    """An item of a list."""

    rank: int
    item: int | str
    score: float | None = Field(description="None where the list is that of popular items.")
    propensity: float | None = Field(None, description="With `explore`: how probable the item was there.")
    metadata: dict[str, Any] = Field(description="What the recommender's metadata say of the item.")


class UserList(BaseModel):
    """The list of a user."""

    user: int | str
    items: list[Row]
    fallback: bool = Field(description="Whether the user is unknown and this is what is popular.")
    version: str = Field(description="Which file answered: the first digits of its SHA-256.")


class Lists(BaseModel):
    """The lists of several users, in the order in which they were asked for."""

    lists: list[dict[str, Any]] = Field(description="Each with `user`, `items` and `fallback`.")
    version: str


class Items(BaseModel):
    """A list of items that belongs to no user."""

    items: list[Row]
    version: str


class Explanation(BaseModel):
    """What gives a pair its score."""

    user: int | str
    item: int | str
    score: float | None
    raw_score: float | None
    contributions: list[dict[str, Any]]
    neighbors: list[dict[str, Any]]
    version: str


class Taken(BaseModel):
    """Events that are on the disk."""

    taken: int


class State(BaseModel):
    """What is served."""

    model: str
    version: str
    n_users: int
    n_items: int
    refused: str | None = Field(description="Why the file that is there now is not served.")


class Problem(BaseModel):
    """What was wrong, in one sentence."""

    detail: str
