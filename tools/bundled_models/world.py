"""The fixed facts of the village of Fernhollow: people, places, goods, rumours and tasks.

Every answer that the generator writes takes its facts from these tables, so an answer can be checked:
a price, a direction or a seller is either the one in the table or wrong. Wording lives in templates/.
"""

from dataclasses import dataclass

VILLAGE = "Fernhollow"


@dataclass(frozen=True)
class Place:
    name: str  # as answers write it, with its article
    direction: str  # from the square
    route: str  # an imperative that fits "go <direction> and <route>"
    landmark: str  # where it stands
    words: tuple[str, ...]  # bare nouns that players use
    danger: str = ""  # what to beware of there; empty means that it is safe


PLACES = {
    "mill": Place("the mill", "west", "follow the stream", "beside the stream",
                  ("mill", "water mill", "old mill", "miller", "watermill", "flour mill", "mill house"), "wolves"),
    "smithy": Place("the smithy", "east", "listen for the hammer", "next to the stables",
                    ("smithy", "forge", "smith", "blacksmith", "Red Anvil", "weapon shop", "armourer", "armoury",
                    "weaponsmith", "smith's workshop")),
    "inn": Place("the Copper Kettle", "south", "look for the copper sign", "across from the market",
                 ("inn", "tavern", "Copper Kettle", "pub", "innkeeper", "bar", "alehouse", "taproom", "guesthouse",
                    "barkeep", "Kettle")),
    "cottage": Place("the herb cottage", "north", "follow the smell of mint", "at the edge of the garden",
                     ("herbalist", "herb cottage", "healer", "potion shop", "doctor", "apothecary", "healer's hut",
                     "herb shop", "physician", "healer's house", "medicine woman")),
    "gate": Place("the north gate", "north", "stay on the wide road", "at the end of the wide road",
                  ("gate", "north gate", "guard post", "city gate", "main gate", "village gate", "guardhouse",
                    "gatehouse", "watchman", "northern gate")),
    "market": Place("the market", "south", "follow the noise", "between the two oaks",
                    ("market", "merchant", "stalls", "shop", "general store", "trader", "bazaar", "marketplace",
                    "market stalls", "store", "peddler", "vendor")),
    "well": Place("the old well", "west", "take the narrow path", "behind the chapel",
                  ("well", "old well", "water well", "wishing well", "village well", "ancient well")),
    "chapel": Place("the chapel", "west", "walk up the little hill", "on the little hill",
                    ("chapel", "church", "temple", "shrine", "priest", "parish church", "house of prayer", "parson",
                    "chaplain")),
    "graveyard": Place("the graveyard", "west", "go past the chapel", "below the chapel wall",
                       ("graveyard", "cemetery", "graves", "crypt", "tombs", "burial ground", "gravestones",
                       "boneyard"), "restless bones"),
    "mine": Place("the mine", "north", "climb the hill road", "under the grey hill",
                  ("mine", "iron mine", "old mine", "mines", "mine entrance", "ore mine", "mine shaft",
                    "miners"), "falling rocks"),
    "bridge": Place("the stone bridge", "south", "keep the river on your left", "where the river is narrow",
                    ("bridge", "stone bridge", "river crossing", "old bridge", "bridge over the river",
                    "river bridge"), "bandits"),
    "ferry": Place("the ferry", "south", "take the river road", "at the bend of the river",
                   ("ferry", "harbour", "docks", "boat", "ferryman", "pier", "landing", "jetty", "boatman",
                    "ferry landing", "port"), "thieves"),
    "tower": Place("the ruined tower", "east", "take the forest path", "deep in the forest",
                   ("tower", "ruined tower", "old tower", "ruin", "ruins", "castle ruins", "haunted tower",
                    "crumbling tower", "watchtower", "old castle"), "a ghost"),
    "forest": Place("the forest", "east", "cross the sheep field", "beyond the sheep field",
                    ("forest", "woods", "trees", "wood", "deep woods", "woodland", "dark forest",
                    "big forest"), "wolves"),
    "stables": Place("the stables", "east", "follow the smell of hay", "next to the smithy",
                     ("stables", "stable", "horses", "stable boy", "barn", "stableman", "horse barn", "stable yard")),
    "house": Place("the elder's house", "north", "walk past the big oak", "under the big oak",
                   ("elder's house", "elder", "village elder", "mayor", "chief", "house of the elder",
                    "elder's home", "village chief", "headman", "village leader")),
}


# Words above that are people or animals: one goes to them, but nobody lives or waits at them.
NO_SPOTS = frozenset((
    "miller", "smith", "blacksmith", "armourer", "weaponsmith", "innkeeper", "barkeep", "herbalist", "healer", "doctor",
    "apothecary", "physician", "medicine woman", "watchman", "merchant", "trader", "peddler", "vendor", "priest",
    "parson",
    "chaplain", "miners", "boat", "ferryman", "boatman", "trees", "horses", "stable boy", "stableman", "elder",
    "village elder", "mayor", "chief", "village chief", "headman", "village leader",
))  # fmt: skip


@dataclass(frozen=True)
class Character:
    name: str
    role: str  # with its article
    place: str  # key into PLACES
    age: str
    preambles: tuple[str, ...]  # the first one is the character's usual preamble
    pronoun: str  # he or she
    pet: str  # one harmless personal fact


CHARACTERS = {
    "Mira": Character("Mira", "the innkeeper", "inn", "forty-two", (
        "Mira is the innkeeper of the Copper Kettle.",
        "Mira is the cheerful innkeeper of the Copper Kettle in Fernhollow.",
        "Mira keeps the inn of Fernhollow."), "she", "a fat cat called Button"),
    "Tobin": Character("Tobin", "the smith", "smithy", "fifty", (
        "Tobin is the smith of Fernhollow.",
        "Tobin is the gruff smith of the Red Anvil.",
        "Tobin works the forge of Fernhollow."), "he", "a hammer older than you"),
    "Elspeth": Character("Elspeth", "the herbalist", "cottage", "sixty-one", (
        "Elspeth is the herbalist of Fernhollow.",
        "Elspeth is the dreamy herbalist of the herb cottage.",
        "Elspeth heals the sick of Fernhollow."), "she", "a raven that steals spoons"),
    "Garrick": Character("Garrick", "the guard", "gate", "thirty-five", (
        "Garrick is the guard at the north gate.",
        "Garrick is the strict guard of Fernhollow.",
        "Garrick guards the north gate of Fernhollow."), "he", "a sister in the army"),
    "Vesna": Character("Vesna", "the merchant", "market", "twenty-nine", (
        "Vesna is the merchant at the market.",
        "Vesna is the cheeky merchant of Fernhollow.",
        "Vesna sells goods at the market of Fernhollow."), "she", "a mule called Duke"),
    "Aldous": Character("Aldous", "the elder", "house", "eighty-three", (
        "Aldous is the elder of Fernhollow.",
        "Aldous is the wise old elder of Fernhollow.",
        "Aldous leads the village of Fernhollow."), "he", "a chair that nobody else may use"),
}


@dataclass(frozen=True)
class Item:
    name: str  # with article, as answers write it
    seller: str
    price: str  # number of coins, in words
    words: tuple[str, ...]  # bare nouns that players use
    praise: str  # completes "it is ..."


ITEMS = {
    "sword": Item("a sword", "Tobin", "forty", ("sword", "blade", "longsword", "iron sword", "swords", "broadsword",
                    "steel sword", "short sword"), "sharp and true"),
    "dagger": Item("a dagger", "Tobin", "fifteen", ("dagger", "knife", "short blade", "knives", "dirk",
                    "hunting knife", "throwing knife"), "small but quick"),
    "axe": Item("an axe", "Tobin", "twenty-five", ("axe", "battle axe", "hatchet", "axes", "war axe",
                    "woodcutting axe", "iron axe"), "heavy and honest"),
    "shield": Item("a shield", "Tobin", "thirty", ("shield", "buckler", "round shield", "shields", "wooden shield",
                    "oak shield"), "solid oak and iron"),
    "helmet": Item("a helmet", "Tobin", "twenty", ("helmet", "helm", "helmets", "iron hat", "iron helmet",
                    "steel cap"), "made to fit"),
    "spear": Item("a spear", "Tobin", "eighteen", ("spear", "pike", "lance", "spears", "javelin",
                    "long spear"), "long and straight"),
    "mail": Item("a coat of mail", "Tobin", "ninety",
                 ("armour", "armor", "chainmail", "coat of mail", "mail shirt", "chain mail", "body armour",
                    "suit of armour", "hauberk"), "forty days of work"),
    "horseshoes": Item("a set of horseshoes", "Tobin", "six", ("horseshoes", "horseshoe", "shoes for my horse",
                    "new horseshoes", "set of horseshoes"),
                       "good for a hundred miles"),
    "repair": Item("a repair", "Tobin", "eight", ("repair", "repairs", "mending", "sharpening",
                    "quick repair"), "done by sundown"),
    "room": Item("a room", "Mira", "five", ("room", "bed", "bed for the night", "rooms", "chamber",
                    "place to sleep", "bunk", "lodging", "guest room", "single room", "place for the night"),
                 "clean and warm"),
    "stew": Item("a bowl of stew", "Mira", "four", ("stew", "bowl of stew", "soup", "meal", "dinner", "food",
                    "supper", "hot meal", "lunch", "broth", "bowl of soup", "plate of food"),
                 "hot from the pot"),
    "bread": Item("a loaf of bread", "Mira", "three", ("bread", "loaf of bread", "loaf", "fresh loaf",
                    "crust of bread"), "baked this morning"),
    "ale": Item("a mug of ale", "Mira", "two", ("ale", "mug of ale", "beer", "drink", "pint", "mead",
                    "tankard of ale", "mug of beer", "cold beer", "flagon of ale",
                    "glass of beer"), "brown and strong"),
    "cider": Item("a cup of cider", "Mira", "two", ("cider", "cup of cider", "apple cider", "mug of cider",
                    "glass of cider"), "sweet as autumn"),
    "pie": Item("an apple pie", "Mira", "three", ("pie", "apple pie", "slice of pie", "cake", "dessert",
                    "piece of pie", "apple tart", "slice of cake"),
                "my mother's recipe"),
    "bath": Item("a hot bath", "Mira", "six", ("bath", "hot bath", "wash", "tub", "warm bath", "bathtub",
                    "hot soak"), "hot to the brim"),
    "potion": Item("a healing potion", "Elspeth", "twelve",
                   ("healing potion", "potion", "health potion", "potions", "medicine", "healing draught", "elixir",
                    "healing elixir", "healing potions", "bottle of medicine"),
                   "red and bitter"),
    "antidote": Item("an antidote", "Elspeth", "sixteen", ("antidote", "cure for poison", "antivenom", "antidotes",
                    "snakebite cure", "remedy for poison", "poison cure"),
                     "quick to work"),
    "draught": Item("a sleeping draught", "Elspeth", "ten",
                    ("sleeping draught", "sleep potion", "sleeping potion", "sleeping draughts", "sleeping powder",
                    "sleep draught", "sleeping medicine"), "gentle as snow"),
    "salve": Item("a jar of salve", "Elspeth", "seven", ("salve", "ointment", "jar of salve", "balm", "bandages",
                    "healing salve", "burn cream", "pot of ointment"),
                  "cool on the skin"),
    "tea": Item("a cup of mint tea", "Elspeth", "two", ("tea", "mint tea", "cup of tea", "herbal tea", "pot of tea",
                    "mug of tea", "peppermint tea"), "good for the nerves"),
    "tonic": Item("a fever tonic", "Elspeth", "nine", ("fever tonic", "tonic", "cough syrup", "cold remedy",
                    "fever medicine", "cough medicine", "fever cure", "flu remedy"),
                  "sour but strong"),
    "rope": Item("a coil of rope", "Vesna", "four", ("rope", "coil of rope", "length of rope", "ropes",
                    "climbing rope", "strong rope", "cord"), "strong enough for two"),
    "lantern": Item("a lantern", "Vesna", "eleven", ("lantern", "lamp", "lanterns", "oil lamp", "hand lantern",
                    "storm lamp"), "bright as a star"),
    "map": Item("a map", "Vesna", "seven", ("map", "maps", "chart", "map of the region", "map of the area",
                    "road map", "local map"), "almost correct"),
    "cloak": Item("a wool cloak", "Vesna", "fourteen", ("cloak", "coat", "wool cloak", "cloaks", "cape",
                    "warm cloak", "travelling cloak", "woollen cloak", "warm coat", "hooded cloak"), "warm and dry"),
    "boots": Item("a pair of boots", "Vesna", "thirteen", ("boots", "pair of boots", "leather boots", "shoes",
                    "walking boots", "new boots", "pair of shoes", "travelling boots"),
                  "soft as butter"),
    "backpack": Item("a backpack", "Vesna", "ten", ("backpack", "bag", "pack", "sack", "backpacks", "rucksack",
                    "knapsack", "satchel", "travelling bag"), "bigger than it looks"),
    "torch": Item("a torch", "Vesna", "two", ("torch", "torches", "pitch torch", "wooden torch"), "good for one night"),
    "compass": Item("a compass", "Vesna", "seventeen", ("compass", "compasses", "pocket compass",
                    "ship's compass"), "from over the sea"),
}


@dataclass(frozen=True)
class Quest:
    task: str  # completes "I need someone to ..."
    topic: str  # the thing it is about
    where: str  # completes "you will find them ..."
    reward: str
    done: tuple[str, ...]  # what a player says when the task is done


QUESTS = {
    "Mira": Quest("chase the rats out of my cellar", "the rats", "in the cellar under the kitchen",
                  "ten coins and a free room", ("the rats are gone", "I killed all the rats",
                    "your cellar is clean again",
                                                "no more rats in the cellar", "I dealt with the rats",
        "I got rid of every last rat", "not one rat is left in your cellar", "your rats will not bother you again",
        "I cleared the rats out of the cellar", "the rats are all dead",
        "you can use your cellar again, the rats are gone",
        "I chased the rats out", "I have finished off the rats", "I drove out all the rats",
        "every rat down there is dead", "the cellar is free of rats", "I took care of your rat problem",
        "your rat problem is solved", "I caught all the rats")),
    "Tobin": Quest("bring me iron ore from the mine", "the ore", "in the mine, north under the grey hill",
                   "a new dagger", ("here is the iron ore", "I brought the ore", "I have your ore",
                    "I got the iron from the mine",
                                    "the ore is here",
        "I came back from the mine with your ore", "I dug up the ore you wanted", "this sack is full of iron ore",
        "I have been to the mine and got the ore", "I carried the ore all the way here", "I fetched the iron ore",
        "your iron ore, fresh from the mine", "I have a bag of ore for you", "I mined the ore you asked for",
        "I found the iron ore", "I managed to get your ore", "there is your ore, heavy as a horse",
        "I dragged the ore out of the mine", "the iron you wanted is in this sack")),
    "Elspeth": Quest("pick moonflowers by the old well", "the moonflowers", "by the old well, west of the square",
                     "a healing potion", ("I picked the moonflowers", "here are the moonflowers", "I have your flowers",
                                          "I found the moonflowers", "I brought the flowers",
        "I gathered the moonflowers by the well", "this basket is full of moonflowers",
        "I have been to the well and picked your flowers",
        "I got the moonflowers you wanted", "your moonflowers, freshly picked", "I collected all the moonflowers",
        "I have a bunch of moonflowers for you", "I fetched the flowers from the old well",
        "I managed to find the moonflowers",
        "the moonflowers are in my bag", "I plucked the moonflowers you asked for",
        "take these moonflowers, I picked them myself",
        "I bring you the moonflowers", "the flowers from the well are here")),
    "Garrick": Quest("drive the wolves away from the mill", "the wolves", "near the mill, west along the stream",
                     "thirty coins", ("the wolves are dead", "I killed the wolves", "the wolves are gone",
                                      "I drove the wolves away", "no more wolves at the mill",
        "I chased the wolves off", "the wolves will not trouble the mill again", "the mill is safe now",
        "I hunted down the wolves", "I slew every wolf at the mill", "the wolves ran away and will not come back",
        "I took care of the wolves", "not a single wolf is left", "the miller can sleep, the wolves are dead",
        "I got rid of the wolves", "I fought the wolves and won", "I scared the wolves away",
        "the wolf pack is finished", "I dealt with the wolves at the mill")),
    "Vesna": Quest("find the crate that I lost at the stone bridge", "the crate",
                    "under the stone bridge, south along the river",
                   "a fine lantern", ("I found your crate", "here is your crate", "I have the crate",
                    "I brought the crate back",
                                      "your crate is safe",
        "I pulled your crate out of the river", "I got your crate back", "I fetched the crate from under the bridge",
        "your lost crate is right here", "I have been to the bridge and found your crate", "I carried your crate back",
        "look, your missing crate", "I recovered the crate you lost", "the crate was under the bridge, here it is",
        "I dragged your crate all the way here", "I return your crate", "I tracked down your crate",
        "your crate turned up, I have it", "I picked up your crate at the bridge")),
    "Aldous": Quest("bring back the silver bell from the ruined tower", "the bell",
                    "in the ruined tower, east in the forest",
                    "an old silver ring", ("I found the bell", "here is the silver bell", "I brought the bell back",
                                           "I have the bell", "the silver bell is here",
        "I fetched the bell from the tower", "I carried the silver bell back", "I got your bell out of the tower",
        "I have been to the tower and found the bell", "the bell is back", "I recovered the silver bell",
        "I return the bell to you", "I took the bell from the ghost", "I brought you the silver bell",
        "the stolen bell is safe with me", "I climbed the tower and got the bell", "your silver bell, safe and sound",
        "the bell from the ruined tower, as you wanted", "I managed to bring home the bell")),
}


@dataclass(frozen=True)
class Rumour:
    place: str  # key into PLACES
    text: str  # completes "they say that ..."
    more: str  # a full sentence, told when the player asks for more
    knowers: tuple[str, ...]


RUMOURS = (
    Rumour("tower", "there are lights in the ruined tower at night",
           "The lights in the tower are blue, and nobody dares to go near.", ("Mira", "Garrick", "Aldous")),
    Rumour("mill", "the miller's daughter ran off with the ferryman's son",
           "The miller's daughter left a note, and the miller has not smiled since.", ("Mira", "Vesna")),
    Rumour("mine", "something is knocking deep in the mine",
           "The knocking in the mine comes three times, and then it stops.", ("Tobin", "Garrick")),
    Rumour("forest", "a white deer walks in the forest",
           "The white deer brings luck to those who do not hunt it.", ("Elspeth", "Aldous")),
    Rumour("bridge", "bandits are hiding near the stone bridge",
           "There are five bandits, and one of them has a red beard.", ("Garrick", "Tobin", "Vesna")),
    Rumour("ferry", "the ferryman smuggles wine at night",
           "The ferryman hides the wine under his nets.", ("Vesna", "Mira")),
    Rumour("graveyard", "a treasure lies under the graveyard",
           "The treasure belonged to a king, and it is guarded by restless bones.", ("Vesna", "Aldous", "Elspeth")),
    Rumour("well", "the old well whispers at full moon",
           "The well whispers names, and once it whispered mine.", ("Elspeth", "Aldous")),
    Rumour("smithy", "the king is buying every sword that he can find",
           "When a king buys swords, a war is not far away.", ("Tobin", "Garrick", "Vesna")),
    Rumour("chapel", "the bell of the chapel was stolen",
           "The bell was made of silver, and it was carried to the tower.", ("Aldous", "Mira")),
)
