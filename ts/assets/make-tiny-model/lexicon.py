"""The words of the stories: kinds of things, each a list of rows that carry every form a sentence needs.

A row is a dict; `n` is the plain form. A story picks one row per variable, so that its forms always agree.
"""

GIRLS = """Lily Mia Anna Emma Sara Lucy Zoe Ella Nora Ruby Ivy Clara Rosa Maya Alice Sophie Amy Eva Lena Hana Jane Kate
Mary Molly Daisy Grace Leila Nina Olivia Sue Tina Vera Wendy Yuki Bella Chloe Sally Susan Jenny Maria""".split()
BOYS = """Tom Ben Sam Jack Leo Tim Max Noah Finn Oscar Hugo Adam Paul Peter Omar Ali Dan Eric Felix George Henry Ivan Jim John
Kenji Luke Mark Nick Oliver Pedro Ravi Simon Theo Tommy Victor Will Bob Billy Lucas David""".split()
PET_NAMES = "Rex Bella Spot Fluffy Coco Luna Rocky Milo Pip Ginger Buddy Daisy Snowy Toby Nala Biscuit".split()

SHE = {"he": "she", "his": "her", "him": "her", "himself": "herself"}
HE = {"he": "he", "his": "his", "him": "him", "himself": "himself"}

ANIMALS = "dog cat rabbit bird mouse fox bear duck frog turtle squirrel hedgehog pig lamb elephant lion monkey penguin owl horse".split()
PETS = "dog cat rabbit bird mouse duck turtle pig fox bear".split()
PEOPLE = [("king", HE), ("queen", SHE), ("prince", HE), ("princess", SHE), ("farmer", HE), ("baker", SHE), ("robot", HE),
          ("dragon", HE), ("dragon", SHE), ("wizard", HE), ("witch", SHE), ("fisherman", HE), ("giant", HE), ("knight", HE)]


def _child(name: str, forms: dict) -> dict:
    kind = "girl" if forms is SHE else "boy"
    return {"n": name, "who": f"{kind} named {name}", "kind": kind, "group": "child", "fresh": f"a {kind} named {name}", **forms}


def _unnamed(adjective: str, kind: str, forms: dict, group: str) -> dict:
    return {"n": f"the {adjective} {kind}", "who": f"{adjective} {kind}", "kind": kind, "group": group, **forms}


CHILDREN = [_child(n, SHE) for n in GIRLS] + [_child(n, HE) for n in BOYS]
NAMED_PETS = [
    {"n": n, "who": f"{k} named {n}", "kind": k, "group": "animal", **f}
    for n in PET_NAMES for k in PETS for f in (HE, SHE)
]
UNNAMED_ANIMALS = [_unnamed(a, k, f, "animal") for a in ("little", "small", "young") for k in ANIMALS for f in (HE, SHE)]
UNNAMED_PEOPLE = [_unnamed(a, k, f, "person") for a in ("old", "young", "little") for k, f in PEOPLE]

# Friends of animals are named by their kind alone: "his friend the rabbit".
ANIMAL_FRIENDS = [
    {"n": f"the {k}", "fresh": ("an " if k[0] in "aeiou" else "a ") + k, "kind": k, "group": "animal", **f} for k in ANIMALS for f in (HE, SHE)
]


def _words(text: str) -> list[dict]:
    return [{"n": w.strip()} for w in text.split(",")]


def _articled(text: str) -> list[dict]:
    return [{"n": w, "a": ("an " if w[0] in "aeiou" else "a ") + w} for w in (x.strip() for x in text.split(","))]


TRAITS = _articled("kind, brave, happy, curious, clever, gentle, shy, cheerful, quiet, lonely, friendly, playful, funny, good")
COLORS = _articled("red, blue, green, yellow, orange, pink, purple, white, silver, golden")
WEATHER = _words("sunny, warm, bright, cool, windy, quiet, beautiful")
TIMES = _words("One day, One morning, One sunny day, One afternoon, One summer day, One evening, Early one morning")
# For a story that already began with a time.
LATER = _words("Then, Soon, After breakfast, After lunch, After a while, Later that day, That afternoon, A little later")
HOMES = [
    {"n": n, "by": b}
    for n, b in [("a small house", "near the forest"), ("a little cottage", "by the sea"), ("a cozy home", "by the river"),
                 ("a small village", "near the hills"), ("a quiet town", "by the lake"), ("a big old house", "on a hill")]
]
PLACES = [
    {"n": f"the {p}", "to": f"to the {p}", "in": f"{i} the {p}"}
    for p, i in [("park", "in"), ("forest", "in"), ("garden", "in"), ("beach", "at"), ("meadow", "in"), ("river", "by"),
                 ("market", "at"), ("lake", "by"), ("hill", "on"), ("farm", "at")]
]
HIDING = _words("under the bed, behind a big tree, under a bush, in the tall grass, behind the door, under a pile of leaves, "
                "inside an old box, next to the fence, behind the couch, near the pond")
OUTSIDE = _words("behind a big tree, under a bush, in the tall grass, under a pile of leaves, next to a fence, near a pond, "
                 "behind a rock, between two stones")

# Things to own, find, lose, share and give. `used` is what one does with it, `use` its infinitive.
THINGS = [
    {"n": n, "used": used, "use": use, "together": together}
    for n, used, use, together in [
        ("ball", "kicked the ball", "kick the ball", "kicked the ball to each other"),
        ("kite", "flew the kite", "fly the kite", "flew the kite high in the sky"),
        ("book", "read the book", "read the book", "read the book under a tree"),
        ("drum", "played the drum", "play the drum", "played the drum and sang"),
        ("toy car", "raced the toy car", "race the toy car", "raced the toy car down the path"),
        ("doll", "played with the doll", "play with the doll", "played with the doll all afternoon"),
        ("boat", "sailed the boat", "sail the boat", "sailed the boat on the pond"),
        ("bell", "rang the bell", "ring the bell", "rang the bell and laughed"),
        ("hat", "wore the hat", "wear the hat", "took turns wearing the hat"),
        ("balloon", "held the balloon", "hold the balloon", "held the balloon by its long string"),
        ("train", "drove the train", "drive the train", "drove the train around a tree"),
        ("swing", "sat on the swing", "sit on the swing", "pushed each other on the swing"),
        ("sled", "rode the sled", "ride the sled", "rode the sled down the hill"),
        ("flute", "played the flute", "play the flute", "played the flute and danced"),
    ]
]
SMALL_THINGS = [t for t in THINGS if t["n"] not in ("swing", "sled")]
TREASURES = [
    {"n": n, "inside": i}
    for n, i in [("box", "a map"), ("box", "a golden coin"), ("chest", "many shiny coins"), ("chest", "an old crown"),
                 ("bottle", "a letter"), ("bag", "some magic seeds"), ("basket", "a sleepy kitten"), ("jar", "a tiny light"),
                 ("box", "a silver key"), ("bag", "a hundred marbles")]
]
WEAK = [
    {"n": n, "a": a, "problem": p, "fix": f}
    for n, a in [("bird", "a tiny bird"), ("kitten", "a gray kitten"), ("puppy", "a small puppy"), ("bunny", "a baby bunny"),
                 ("hedgehog", "a baby hedgehog"), ("duckling", "a little duckling")]
    for p, f in [("was cold and wet", "wrapped the {} in a warm scarf"), ("was very hungry", "gave the {} some food and water"),
                 ("was lost", "carried the {} back to its mother"), ("had hurt its leg", "put a soft bandage on its leg"),
                 ("was stuck in a hole", "gently pulled the {} out of the hole"),
                 ("was tangled in a net", "carefully cut the net and freed the {}")]
    for f in [f.format(n)]
]
FEARS = [
    {"n": n, "happened": h, "truth": t}
    for n, h, t in [("the dark", "the lights went out", "the dark was just like a soft blanket"),
                    ("thunder", "a big storm came", "thunder was only a loud sound in the sky"),
                    ("the water", "everyone went for a swim", "the water was warm and gentle"),
                    ("high places", "a kite got stuck in a tall tree", "the world looked lovely from above"),
                    ("the big dog next door", "the big dog ran up", "the dog only wanted to play"),
                    ("singing in front of people", "the school had a show", "everyone liked to hear a happy song")]
]
FOODS = [
    {"n": n, "a": "a " + n, "with": w, "bad": b}
    for n, w, b in [("cake", "flour, eggs and sugar", "the cake was burnt"), ("pie", "apples and butter", "the pie fell on the floor"),
                    ("soup", "carrots and potatoes", "the soup was too salty"), ("pizza", "cheese and tomatoes", "the pizza was burnt"),
                    ("loaf of bread", "flour and water", "the bread was as hard as a stone"),
                    ("salad", "tomatoes and herbs", "the salad fell on the floor")]
]
PLANTS = [
    {"n": n, "grew": g, "seed": s}
    for n, g, s in [("sunflower", "a tall sunflower", "a small black seed"), ("pumpkin", "a huge orange pumpkin", "a flat white seed"),
                    ("tomato plant", "a tomato plant with ten red tomatoes", "a tiny seed"),
                    ("apple tree", "a little apple tree", "a brown seed"), ("rose", "a beautiful red rose", "a tiny seed"),
                    ("strawberry plant", "a strawberry plant with sweet strawberries", "a very small seed")]
]
SKILLS = [
    {"n": n, "past": p, "fail": f, "ing": i}
    for n, p, i, f in [("ride a bike", "rode the bike", "riding", "fell off the bike"), ("swim", "swam across the pool", "swimming", "swallowed some water"),
                       ("skate", "skated across the ice", "skating", "slipped on the ice"), ("dance", "danced across the room", "dancing", "tripped and fell"),
                       ("jump rope", "jumped ten times", "jumping", "got tangled in the rope"), ("climb", "climbed to the top", "climbing", "slid back down"),
                       ("whistle", "whistled a happy tune", "whistling", "made only a funny noise"),
                       ("paint", "painted a lovely picture", "painting", "spilled all the paint")]
]
BREAKABLES = _words("vase, cup, window, plate, lamp, clock, mirror, bowl")
GUIDES = [
    {"n": f"the {k}", "a": a, "said": s}
    for k, a in [("owl", "a wise old owl"), ("deer", "a gentle deer"), ("squirrel", "a busy squirrel"), ("firefly", "a bright firefly"),
                 ("butterfly", "a blue butterfly"), ("turtle", "a slow old turtle")]
    for s in ("Follow the river", "Follow me", "Follow the stars", "Walk toward the big hill")
]
BUILDS = [
    {"n": n, "a": a, "of": o, "fall": f}
    for n, a, o, f in [("sandcastle", "a sandcastle", "sand and shells", "a wave washed it away"),
                       ("tower", "a tall tower", "wooden blocks", "it fell down with a crash"),
                       ("snowman", "a snowman", "snow and a carrot", "the sun melted it"),
                       ("tree house", "a tree house", "old boards", "the wind blew it down"),
                       ("fort", "a fort", "pillows and blankets", "it fell down with a crash"),
                       ("bridge", "a little bridge", "stones and sticks", "the water carried it away")]
]
GROWNUPS = [{"n": n, "he": h} for n, h in [("mom", "she"), ("dad", "he"), ("grandma", "she"), ("grandpa", "he"), ("aunt", "she"), ("uncle", "he")]]
GIFTS = _articled("cake, scarf, picture, necklace, song, kite, storybook, flower, puzzle, music box")
WISHES = [
    {"n": n, "got": g}
    for n, g in [("a friend", "a new friend came to play"), ("snow", "the whole world was white with snow"),
                 ("a little puppy", "a little puppy sat at the door"), ("a day at the sea", "the family went to the sea"),
                 ("a garden full of flowers", "the garden was full of flowers"),
                 ("a big adventure", "a hot air balloon landed in the garden")]
]
FEELINGS = _words("happy, proud, glad, very happy, full of joy")
