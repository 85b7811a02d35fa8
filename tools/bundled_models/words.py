"""Word lists that are no facts of the village: names of players, loot, and things that nobody there knows."""

import random

PLAYER_NAMES = (
    "Rowan", "Kara", "Finn", "Lena", "Bram", "Iris", "Otto", "Nora", "Hugo", "Ayla", "Jonas", "Petra", "Leif", "Maren",
    "Anton", "Sigrid", "Theo", "Wanda", "Ravi", "Yuna", "Kofi", "Amara", "Dmitri", "Lucia", "Pablo", "Freya", "Gunnar",
    "Selim", "Tara", "Viktor", "Zoe", "Quinn", "Edda", "Milo", "Nadia", "Oskar", "Paula", "Rufus", "Silas", "Thora",
    "Alex", "Sam", "Robin", "Max", "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hans", "Ida", "Jack",
    "Kim", "Lukas", "Maria", "Nick", "Olga", "Peter", "Rosa", "Simon", "Tom", "Ursula", "Vera", "Will", "John", "Mary",
)  # fmt: skip

JUNK = (
    "wolf pelt", "old ring", "rusty sword", "silver spoon", "gold tooth", "fox fur", "broken clock", "silver cup",
    "bear skin", "old coins", "glass bead", "bone flute", "strange stone", "deer antlers", "old book", "amber necklace",
    "goblin ear", "ruby", "emerald", "pearl", "gemstone", "carpet", "candlestick", "old helmet", "leather belt",
)  # fmt: skip

KIN = ("brother", "sister", "father", "mother", "uncle", "aunt", "cousin", "friend", "wife", "husband", "son", "daughter",
       "grandmother", "grandfather", "neighbour", "master", "captain", "companion")  # fmt: skip

ODD_THINGS = (
    "computer", "telephone", "internet", "spaceship", "pizza", "football", "dragon egg", "time machine", "president",
    "movie", "train", "airplane", "car", "television", "quantum physics", "capital of France", "Paris", "London", "Berlin",
    "Tokyo", "the moon landing", "chocolate", "coffee", "bicycle", "camera", "guitar", "piano", "unicorn", "mermaid",
    "stock market", "bank account", "password", "email", "robot", "laser", "submarine", "helicopter", "phone number",
    "mathematics", "square root", "algebra", "chemistry", "electricity", "light bulb", "battery", "video game", "website",
    "software", "operating system", "keyboard", "printer", "credit card", "passport", "airport", "hotel", "cinema",
    "volcano", "dinosaur", "penguin", "elephant", "banana", "pineapple", "spaghetti", "hamburger", "Napoleon",
    "Julius Caesar", "Einstein", "Shakespeare", "the Roman Empire", "America", "China", "Australia", "Mars", "Jupiter",
    "black hole", "atom", "vaccine", "taxi", "bus", "subway", "newspaper", "election", "parliament", "emperor of the east",
    "crystal of eternity", "sword of destiny", "dragon", "golden crown", "flying carpet", "philosopher's stone",
    "city of gold", "giant", "troll king", "vampire", "zombie", "necromancer", "lost temple", "desert", "ocean", "pyramid",
    "tax form", "insurance", "lawyer", "microwave", "refrigerator", "washing machine", "headphones", "rocket", "satellite",
    "programming language", "basketball", "tennis", "world cup", "tower of Babel", "meaning of life", "Christmas tree",
)  # fmt: skip

_WITHOUT_ARTICLE = (
    "football", "quantum physics", "Paris", "London", "Berlin", "Tokyo", "the moon landing", "chocolate", "coffee",
    "mathematics", "algebra", "chemistry", "electricity", "software", "spaghetti", "Napoleon", "Julius Caesar", "Einstein",
    "Shakespeare", "the Roman Empire", "America", "China", "Australia", "Mars", "Jupiter", "insurance", "basketball",
    "tennis", "television", "headphones",
)  # fmt: skip
_WITH_THE = (
    "internet", "president", "capital of France", "stock market", "emperor of the east", "crystal of eternity",
    "sword of destiny", "golden crown", "philosopher's stone", "city of gold", "troll king", "world cup", "tower of Babel",
    "meaning of life", "ocean", "desert", "subway", "lost temple",
)  # fmt: skip

_ONSETS = ("b", "br", "d", "dr", "f", "g", "gr", "h", "k", "kr", "l", "m", "n", "p", "qu", "r", "s", "sk", "st", "t",
           "th", "v", "w", "x", "z", "zh")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ee", "oo", "ou", "y")
_CODAS = ("", "", "l", "n", "r", "s", "x", "th", "nd", "rk", "m", "sh", "zz")


def made_up_word(rng: random.Random) -> str:
    """Two or three syllables of nonsense: stands for every word that training text never holds."""
    parts = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(rng.randint(1, 2))]
    return "".join(parts) + rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)


def odd_thing(rng: random.Random) -> str:
    return made_up_word(rng) if rng.random() < 0.35 else rng.choice(ODD_THINGS)


def player_name(rng: random.Random) -> str:
    return made_up_word(rng).capitalize() if rng.random() < 0.35 else rng.choice(PLAYER_NAMES)


def with_article(thing: str) -> str:
    """"a computer", "an old ring", "the ocean", "Paris"."""
    if thing in _WITHOUT_ARTICLE:
        return thing
    if thing in _WITH_THE:
        return f"the {thing}"
    return f"an {thing}" if thing[0] in "aeiou" and not thing.startswith("uni") else f"a {thing}"
