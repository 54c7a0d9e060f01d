import numpy as np

# Each genre has its own nouns, so a list of recommendations shows a taste at a glance.
NOUNS = {
    "Action": "Strike Pursuit Vendetta Convoy Fuse Ambush Getaway Firewall Outpost Ricochet",
    "Adventure": "Expedition Island Compass Caravan Summit Voyage Lagoon Canyon Map Horizon",
    "Animation": "Kite Teapot Hedgehog Balloon Firefly Snowman Puppet Acorn Dragonfly Robot",
    "Comedy": "Wedding Neighbour Landlord Honeymoon Reunion Casserole Roommate Babysitter Parade Mix-Up",
    "Crime": "Heist Alibi Informant Ledger Syndicate Witness Verdict Safecracker Racket Motive",
    "Documentary": "Harvest Glacier Archive Election River Orchestra Factory Reef Census Vineyard",
    "Drama": "Orchard Letter Farewell Winter Daughter Silence Promise Inheritance Harbour Confession",
    "Fantasy": "Spell Kingdom Prophecy Dragon Oracle Amulet Enchantress Throne Labyrinth Rune",
    "Horror": "Cellar Haunting Scarecrow Asylum Curse Whisper Attic Seance Graveyard Mirror",
    "Romance": "Sonata Kiss Summer Balcony Valentine Waltz Proposal Rendezvous Heart Bouquet",
    "Sci-Fi": "Nebula Android Colony Singularity Starship Paradox Signal Orbit Clone Terminal",
    "Thriller": "Deception Passenger Stranger Deadline Hostage Shadow Cipher Double Threshold Blackout",
}
_ADJECTIVES = (
    "Silent Crimson Last Hidden Broken Golden Distant Midnight Burning Forgotten Frozen Electric Hollow "
    "Endless Secret Wild Paper Velvet Northern Stolen Gentle Restless Scarlet Sudden Crooked Lonely "
    "Borrowed Invisible Reckless Quiet Amber Perfect Fearless Wandering Iron Second Bitter Lucky Final "
    "Unlikely"
).split()


def film_titles(genres: np.ndarray, years: np.ndarray) -> np.ndarray:
    """A unique title for every film, such as `"The Silent Harbour (1994)"`.

    Args:
        genres: integers `[I]`, main genre of each film, an index into `NOUNS`.
        years: integers `[I]`.

    Returns:
        Strings `[I]`. The n-th film of a genre has the same title for every seed. When the words are used
        up, sequels are numbered.
    """
    titles = np.empty(len(genres), dtype=object)
    adjectives = np.array(_ADJECTIVES, dtype=object)
    for genre, words in enumerate(NOUNS.values()):
        nouns = np.array(words.split(), dtype=object)
        rows = np.flatnonzero(genres == genre)
        n = np.arange(len(rows))
        sequel, pair = np.divmod(n, len(nouns) * len(adjectives))
        # 147 is coprime to the number of pairs, so each pair is used once, and neighbours differ.
        pair = (147 * pair + 61 * genre) % (len(nouns) * len(adjectives))
        adjective, noun = np.divmod(pair, len(nouns))
        number = np.where(sequel > 0, " " + (sequel + 1).astype(str).astype(object), "")
        titles[rows] = "The " + adjectives[adjective] + " " + nouns[noun] + number
    return np.asarray(titles + " (" + years.astype(str).astype(object) + ")")
