"""One conversation: what the player asks, what the character knows, and what "it" and "there" refer to.

A Conversation keeps the little context that follow-up questions need. Which intent comes next is drawn here;
the facts come from world.py and the wording from templates/.
"""

import random
import re
from pathlib import Path

from grammar import expand, load_templates, tidy
from noise import decorate, rough_up
from words import JUNK, KIN, odd_thing, player_name, with_article
from world import CHARACTERS, ITEMS, NO_SPOTS, PLACES, QUESTS, RUMOURS

_TEMPLATES = Path(__file__).parent / "templates"
PLAYER = load_templates(_TEMPLATES / "player.txt")
INDIRECT = load_templates(_TEMPLATES / "player_indirect.txt")
SPOKEN = load_templates(_TEMPLATES / "player_spoken.txt")
COMMON = load_templates(_TEMPLATES / "common.txt")
OWN = {name: load_templates(_TEMPLATES / f"{name.lower()}.txt") for name in CHARACTERS}

# How often an intent opens a new topic. Those with many facts to learn weigh more.
TOPICS = {
    "price": 13, "buy": 10, "need": 12, "directions": 16, "person": 5, "danger": 5, "danger_any": 2, "rumour": 6,
    "quest": 6, "wares": 4, "greeting": 5, "farewell": 3, "thanks": 3, "ask_name": 3, "ask_job": 3, "how_are_you": 3,
    "introduce": 4, "recall_name": 2, "village": 3, "history": 2, "weather": 2, "hours": 2, "age": 1.5, "family": 2,
    "insult": 2, "compliment": 2, "joke": 2, "haggle": 2, "sell": 3, "unknown": 8, "help": 3, "done": 2, "reward": 1.5,
    "which_more": 1, "where_that": 0.7, "price_it": 0.7, "accept": 1, "decline": 1,
}  # fmt: skip

# Intents that only mean something after another one.
FOLLOW_UPS = {
    "item": ("price_it", "buy_it", "buy_it", "haggle", "and_item", "decline", "thanks"),
    "place": ("where_that", "and_place", "danger_that", "thanks"),
    "rumour": ("which_more", "where_that", "which_more", "danger_that"),
    "quest": ("accept", "decline", "reward", "quest_where", "which_more"),
    "accepted": ("done", "quest_where", "reward", "done_any", "farewell"),
}

_HIM = {"he": "him", "she": "her"}
_MASS = (
    "armour", "armor", "body armour", "chainmail", "chain mail", "bread", "food", "ale", "beer", "mead", "cider", "tea",
    "mint tea", "herbal tea", "peppermint tea", "soup", "broth", "stew", "lunch", "lodging", "medicine", "rope", "cord",
    "apple cider", "salve", "healing salve", "ointment", "balm", "burn cream", "skin cream", "mending", "sharpening",
    "cough syrup", "cough medicine", "fever medicine", "sleeping medicine", "sleeping powder", "venom", "supper", "dinner",
)  # fmt: skip


def _plural(words: str) -> bool:
    """Whether a verb after these words is plural: "boots" and "shoes for my horse" are, "pair of boots" is not."""
    head = re.split(r" (?:for|of|to) ", words)[0]
    return head.endswith("s") and not head.endswith(("ss", "'s"))


def _item_slots(word: str, key: str) -> dict[str, str]:
    """Player-side slots for an item, with the article and the verb that agree with the word."""
    plural = _plural(word)
    article = "some" if plural or word in _MASS else "an" if word[0] in "aeiou" else "a"
    is_, does, it, that = ("are", "do", "them", "those") if plural else ("is", "does", "it", "that")
    return {"item": word, "an": f"{article} {word}", "is": is_, "does": does, "it": it, "that": that, "key": key}


def _place_slots(key: str, rng: random.Random) -> dict[str, str]:
    """$place is any word for the place, its people included; $spot is one where somebody can live or wait."""
    words = PLACES[key].words
    place = rng.choice(words)
    is_, it = ("are", "them") if _plural(place) else ("is", "it")
    return {"place": place, "spot": rng.choice([word for word in words if word not in NO_SPOTS and not _plural(word)]), "is": is_, "it": it}


class Conversation:
    """Draws exchanges for one character; `intents` lists what was drawn, for the statistics."""

    def __init__(self, name: str, rng: random.Random):
        self.name = name
        self.who = CHARACTERS[name]
        self.rng = rng
        self.context = ""  # key into FOLLOW_UPS
        self.item = self.place = ""
        self.rumour = None
        self.me = ""
        self.intents: list[str] = []

    def exchange(self) -> tuple[str, str]:
        """The next (player line, answer)."""
        intent = self._next_intent()
        self.intents.append(intent)
        return getattr(self, f"_do_{intent}", lambda: self._plain(intent))()

    def _next_intent(self) -> str:
        # A name is worth introducing only if it is asked for later: most players who ask have told it.
        if self.me and self.rng.random() < 0.12:
            return "recall_name"
        if self.context and self.rng.random() < 0.42:
            return self.rng.choice(FOLLOW_UPS[self.context])
        return self.rng.choices(list(TOPICS), weights=list(TOPICS.values()))[0]

    # Wording.

    def _ask(self, section: str, **slots: str) -> str:
        """A player line: 40 % spoken, 30 % roundabout where there are such templates, else direct."""
        draw = self.rng.random()
        source = SPOKEN if draw < 0.4 else INDIRECT if draw < 0.7 and section in INDIRECT else PLAYER
        topic = QUESTS[self.name].topic
        is_, it = ("are", "them") if _plural(topic) else ("is", "it")
        slots = {"name": self.name, "role": self.who.role, "role_word": self.who.role.split()[1],
                 "kin": self.rng.choice(KIN), "topic": topic, "is": is_, "it": it, **slots}  # fmt: skip
        line = expand(self.rng.choice(source[section]), slots, self.rng)
        return rough_up(tidy(decorate(line, self.name, self.rng)), self.rng)

    def _answer(self, section: str, **slots: str) -> str:
        """Half of the answers come from the character's own templates, where there are some."""
        own = OWN[self.name].get(section)
        use_own = own is not None and (section not in COMMON or self.rng.random() < 0.5)
        others = [n for n in CHARACTERS if n != self.name]
        slots = {
            "name": self.name, "role": self.who.role, "age": self.who.age, "pet": self.who.pet,
            "ask": self.rng.choice(others), "job": self._line(OWN[self.name]["job"], {}), **slots,
        }  # fmt: skip
        text = self._line(own if use_own else COMMON[section], slots)
        return tidy(text if use_own else self._colour(text))

    def _line(self, templates: list[str], slots: dict[str, str]) -> str:
        return expand(self.rng.choice(templates), slots, self.rng)

    def _colour(self, text: str) -> str:
        """The character's voice around a common answer: an opener or a closer, rarely both."""
        text = tidy(text)
        if self.rng.random() < 0.12:
            text = f"{text} {self.rng.choice(OWN[self.name]['closer'])}"
        if self.rng.random() < 0.16:
            opener = self.rng.choice(OWN[self.name]["opener"])
            names = ("I", "I'm", "Fernhollow", *CHARACTERS)
            if opener.endswith(",") and text.split()[0].strip(",?.") not in names:
                text = text[0].lower() + text[1:]
            text = f"{opener} {text}"
        return text

    def _plain(self, intent: str, answer: str = "") -> tuple[str, str]:
        return self._ask(intent), self._answer(answer or intent)

    # Goods.

    def _pick_item(self, own_share: float = 0.6) -> str:
        own = [key for key, item in ITEMS.items() if item.seller == self.name]
        if own and self.rng.random() < own_share:
            return self.rng.choice(own)
        return self.rng.choice(list(ITEMS))

    def _item_answer(self, key: str, section: str) -> str:
        item = ITEMS[key]
        if item.seller == self.name:
            self.context, self.item = "item", key
            return self._answer(section, item_a=item.name, price=item.price, praise=item.praise)
        seller = CHARACTERS[item.seller]
        self.context, self.place = "place", seller.place
        return self._answer("redirect", seller=seller.name, seller_role=seller.role, seller_him=_HIM[seller.pronoun],
                            seller_place=PLACES[seller.place].name)  # fmt: skip

    def _about_item(self, asked: str, answered: str) -> tuple[str, str]:
        key = self._pick_item()
        word = self.rng.choice(ITEMS[key].words)
        return self._ask(asked, **_item_slots(word, key)), self._item_answer(key, answered)

    def _do_price(self):
        return self._about_item("price", "price")

    def _do_and_item(self):
        return self._about_item("and_item", "price")

    def _do_buy(self):
        return self._about_item("buy", "offer")

    def _do_need(self):
        key = self._pick_item()
        if f"need.{key}" not in PLAYER:
            return self._do_buy()
        return self._ask(f"need.{key}"), self._item_answer(key, "offer")

    def _do_price_it(self):
        line = self._ask("price_it")
        return line, self._item_answer(self.item, "price") if self.context == "item" else self._answer("which")

    def _do_buy_it(self):
        line = self._ask("buy_it")
        answer = self._item_answer(self.item, "sold")
        self.context = ""
        return line, answer

    def _do_wares(self):
        line = self._ask("wares")
        own = [item.name for item in ITEMS.values() if item.seller == self.name and item.name != "a repair"]
        self.context = ""
        if not own:
            self.context, self.place = "place", "market"
            return line, self._answer("wares_none")
        first, second, third = self.rng.sample(own, 3)
        return line, self._answer("wares", list=f"{first}, {second} and {third}")

    def _do_sell(self):
        answer = "sell_yes" if self.name == "Vesna" else "sell_no"
        junk = self.rng.choice(JUNK)
        self.context = ""
        this, it = ("these", "them") if _plural(junk) else ("this", "it")
        slots = {"junk": junk, "an": f"some {junk}" if it == "them" else with_article(junk), "this": this, "it": it}
        return self._ask("sell", **slots), self._answer(answer, junk=junk)

    # Places and people.

    def _place_answer(self, key: str, section: str) -> str:
        place = PLACES[key]
        self.context, self.place = "place", key
        if section == "directions" and key == self.who.place:
            section = "here"
        if section == "danger" and not place.danger:
            section = "safe"
        return self._answer(section, the_place=place.name, dir=place.direction, route=place.route, land=place.landmark,
                            danger=place.danger)  # fmt: skip

    def _about_place(self, asked: str, answered: str) -> tuple[str, str]:
        key = self.rng.choice(list(PLACES))
        line = self._ask(asked, **_place_slots(key, self.rng))
        return line, self._place_answer(key, answered)

    def _do_directions(self):
        return self._about_place("directions", "directions")

    def _do_and_place(self):
        return self._about_place("and_place", "directions")

    def _do_danger(self):
        return self._about_place("danger", "danger")

    def _do_danger_that(self):
        return self._ask("danger_that"), self._place_answer(self.place, "danger")

    def _do_where_that(self):
        line = self._ask("where_that")
        if self.context not in ("place", "rumour"):
            return line, self._answer("which")
        return line, self._place_answer(self.place, "directions")

    def _do_person(self):
        who = CHARACTERS[self.rng.choice(list(CHARACTERS))]
        line = self._ask("person", who=who.name)
        if who.name == self.name:
            return line, self._answer("person_self")
        self.context, self.place = "place", who.place
        return line, self._answer("person", who=who.name, who_role=who.role, who_him=_HIM[who.pronoun],
                                  who_place=PLACES[who.place].name)  # fmt: skip

    # Talk.

    def _do_rumour(self):
        self.rumour = self.rng.choice([r for r in RUMOURS if self.name in r.knowers])
        self.context, self.place = "rumour", self.rumour.place
        return self._ask("rumour"), self._answer("rumour", rumour=self.rumour.text)

    def _do_which_more(self):
        line = self._ask("which_more")
        if self.context == "rumour":
            return line, self._answer("more_rumour", more=self.rumour.more)
        if self.context == "quest":
            return line, self._quest_answer("quest")
        return line, self._answer("more")

    def _do_unknown(self):
        self.context = ""
        odd = odd_thing(self.rng)
        return self._ask("unknown", odd=odd, an=with_article(odd)), self._answer("unknown")

    def _do_introduce(self):
        self.me = player_name(self.rng)
        return self._ask("introduce", me=self.me), self._answer("introduce", me=self.me)

    def _do_recall_name(self):
        line = self._ask("recall_name")
        return line, self._answer("recall_name", me=self.me) if self.me else self._answer("recall_unknown")

    # Tasks.

    def _quest_answer(self, section: str) -> str:
        quest = QUESTS[self.name]
        return self._answer(section, task=quest.task, topic=quest.topic, where=quest.where, reward=quest.reward)

    def _do_quest(self):
        self.context = "quest"
        return self._ask("quest"), self._quest_answer("quest")

    def _do_accept(self):
        if self.context != "quest":
            return self._plain("accept", "accept_none")
        self.context = "accepted"
        return self._ask("accept"), self._quest_answer("accept")

    def _do_decline(self):
        self.context = ""
        return self._plain("decline")

    def _do_reward(self):
        return self._ask("reward"), self._quest_answer("reward")

    def _do_quest_where(self):
        return self._ask("quest_where"), self._quest_answer("quest_where")

    def _do_done(self):
        self.context = ""
        done = self.rng.choice(QUESTS[self.name].done)
        return self._ask("done", done=done), self._quest_answer("done")

    def _do_done_any(self):
        self.context = ""
        return self._ask("done_any"), self._quest_answer("done")
