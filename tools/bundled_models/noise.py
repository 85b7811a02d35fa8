"""Makes a clean player line look like something that a person typed.

Contractions, politeness, small talk before or after, missing capitals and punctuation, and rarely a typo.
The intent of the line never changes.
"""

import random
import re

from grammar import expand

_CONTRACTIONS = (
    ("what is", "what's"), ("where is", "where's"), ("who is", "who's"), ("how is", "how's"),
    ("I am", "I'm"), ("it is", "it's"), ("that is", "that's"), ("you are", "you're"),
    ("I have", "I've"), ("do not", "don't"), ("cannot", "can't"), ("I would", "I'd"), ("I will", "I'll"),
)  # fmt: skip

_PREFIXES = (
    "excuse me,", "pardon me,", "please,", "tell me,", "say,", "hey,", "hello,", "hi,", "so,", "well,", "um,", "okay,",
    "hmm,", "good sir,", "listen,", "now,", "sorry,", "oh,", "ah,", "and", "but", "by the way,", "one question,",
    "quick question,", "forgive me,", "I wonder,", "also,", "my friend,", "good day,", "then", "right,", "actually,",
)  # fmt: skip

_SUFFIXES = (
    "please", "my friend", "if I may ask", "if you do not mind", "friend", "then", "by the way", "today", "thanks",
    "exactly", "for me", "no", "right", "would you", "if you can", "is it not", "perhaps", "good sir", "again", "now", "I wonder", "do you know", "if you know", "thank you", "right",
)  # fmt: skip

_FIRST_SENTENCES = (
    "hello", "hi there", "good day", "good morning", "greetings", "hello $name", "hi $name", "thanks", "thank you",
    "I have a question", "I have come a long way", "I have been on the road for days", "what a day", "nice place",
    "my horse is tired", "I am new here", "the road was long", "I come from far away", "the others sent me",
    "somebody told me to ask you", "you look like you know things", "I am a simple traveller", "I am in a hurry",
    "I have not much time", "it was a long journey", "my brother waits outside", "I just came from the north",
    "I saw your sign", "people say that you can help", "the rain surprised me", "it is getting dark", "okay", "I see",
    "that is good to know", "interesting", "great", "sorry to disturb you", "do not worry", "I will not stay long",
    "my purse is full", "I have some coins", "tomorrow I leave", "I have a long road ahead", "we are three friends",
    "there is something on my mind", "one more thing", "never mind that", "I lost a bet", "my friends are waiting",
)  # fmt: skip

# Sentences that have nothing to do with the question; a template, so that there are thousands of them.
_ASIDE = (
    "(my|our) (brother|sister|uncle|aunt|horse|dog|mother|master) (is|was|looks|feels) (tired|far away|waiting|asleep|very old)",
    "(I|we) (came|walked|rode|sailed|travelled) (from|through|past|over) (the hills|the sea|a big city|the mountains|the desert)",
    "(yesterday|last week|this morning|today|last night) (I|we) (lost|found|saw|met|heard) (a friend|a bird|nothing|a king|music)",
    "(the|this) (road|night|day|morning|wind|village) (is|was|feels) (long|cold|good|quiet|strange|lovely|hard)",
    "(I|we) (like|love|hate|need|want) (the smell here|a quiet place|good people|long stories|to be quick|no trouble)",
    "(someone|somebody|a man|an old woman|a child|my friend) (told|showed|asked|sent) (me|us) (here|to you|this|something)",
    "(I am|we are) (only|just|still|always) (passing through|a stranger here|looking around|on the road|full of questions)",
)

_LAST_SENTENCES = (
    "I am in a hurry", "thank you", "thanks", "I hope you can help", "I have little time", "it is important",
    "I have coins", "I must know", "I am new here", "I was told to ask you", "please help me", "tell me", "I will pay well",
    "my friends are waiting", "I have to leave soon", "I have a long way to go", "it is for my brother", "just asking",
)  # fmt: skip

_QUESTION = re.compile(
    r"\b(what(?! a\b)|where|who|whose|whom|how|when|why|which|whereabouts|is|are|was|were|do|does|did|can|could|would|will|may|might"
    r"|should|shall|have you|has|got|any|anything|anyone|mind telling|isn't|aren't|won't|wouldn't|couldn't|can't you|don't you)\b",
    re.IGNORECASE,
)
_LAST_CLAUSE = re.compile(r"(?:what|where|who|how|when|why|which)\b", re.IGNORECASE)


def _is_question(line: str) -> bool:
    """By the first word of the last sentence, or a question word after its last comma."""
    last = re.split(r"[.?!] ", line)[-1]
    return bool(_QUESTION.match(last) or ("," in last and _LAST_CLAUSE.match(last.rsplit(", ", 1)[-1])))


def _typo(line: str, rng: random.Random) -> str:
    """Drops, doubles or swaps one letter inside a word of at least five letters."""
    words = [m for m in re.finditer(r"[a-zA-Z]{5,}", line)]
    if not words:
        return line
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    kind = rng.choice(("drop", "double", "swap"))
    if kind == "drop":
        return line[:at] + line[at + 1 :]
    if kind == "double":
        return line[:at] + line[at] + line[at:]
    return line[:at] + line[at + 1] + line[at] + line[at + 2 :]


def _contract(line: str, rng: random.Random) -> str:
    for full, short in _CONTRACTIONS:
        if rng.random() < 0.5:
            line = re.sub(rf"\b{full}\b(?= \w)(?! (?:to|it)\b)", short, line)
    return line


def _end_mark(sentence: str, rng: random.Random) -> str:
    return "?" if _is_question(sentence) else rng.choice((".", ".", ".", "!"))


def _drop_word(line: str, rng: random.Random) -> str:
    """Forgets one small word, so that the meaning has to be found in the others."""
    words = line.split(" ")
    small = [i for i, word in enumerate(words) if word.lower() in ("the", "a", "an", "is", "do", "to", "of", "for", "me", "I")]
    if len(words) < 4 or not small:
        return line
    words.pop(rng.choice(small))
    return " ".join(words)


def decorate(line: str, name: str, rng: random.Random) -> str:
    """The whole noise: `line` starts in lower case, the result is ready for a `Player:` turn.

    A line may bring its end mark. Two of three lines stay as written but for contractions, capitals and the end mark:
    3 % lose a small word, 8 % get a prefix, 4 % the name, 7 % a suffix, 8 % a sentence before, 4 % one after, and
    `rough_up` gives 5 % a typo.
    """
    line = _contract(line, rng)
    mark = line[-1] if line[-1] in ".?!" else _end_mark(line, rng)
    line = line.rstrip(".?!")
    if rng.random() < 0.03:
        line = _drop_word(line, rng)
    if rng.random() < 0.08:
        line = f"{rng.choice(_PREFIXES)} {line}"
    if rng.random() < 0.04:
        line = f"{name}, {line}"
    if rng.random() < 0.07:
        line = f"{line}, {rng.choice(_SUFFIXES + (name,))}"
    line += mark
    if rng.random() < 0.08:
        first = expand(rng.choice(_ASIDE), {}, rng) if rng.random() < 0.5 else rng.choice(_FIRST_SENTENCES)
        first = _contract(first.replace("$name", name), rng)
        line = f"{first}{rng.choice('...!')} {line}"
    if rng.random() < 0.04:
        line = f"{line} {_contract(rng.choice(_LAST_SENTENCES), rng)}{rng.choice('..!')}"
    return line


def rough_up(line: str, rng: random.Random) -> str:
    """Typing habits, applied after capitals and punctuation are right."""
    draw = rng.random()
    if draw < 0.14:
        line = line.lower()
    elif draw < 0.16:
        line = line.upper()
    if rng.random() < 0.16:
        line = line.rstrip(".?!")
    elif rng.random() < 0.03:
        line = line.rstrip(".?!") + rng.choice(("...", "?!", "!!", "??"))
    if rng.random() < 0.05:
        line = _typo(line, rng)
    return line
