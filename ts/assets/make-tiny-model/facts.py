"""Questions with one right answer: facts, sums, and what the model says about itself."""

COLORS = {"the sky": "blue", "grass": "green", "snow": "white", "a banana": "yellow", "a lemon": "yellow", "a strawberry": "red", "a carrot": "orange",
          "the sun": "yellow", "milk": "white", "a frog": "green", "coal": "black", "a pumpkin": "orange", "a tomato": "red", "chocolate": "brown",
          "the sea": "blue", "a fire truck": "red", "an elephant": "gray", "a flamingo": "pink", "a crow": "black", "a cherry": "red", "a leaf": "green",
          "a plum": "purple", "cheese": "yellow", "a polar bear": "white", "the night": "black", "a bear": "brown", "a pig": "pink", "a mouse": "gray"}
SOUNDS = {"dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "pig": "oink", "horse": "neigh", "lion": "roar", "bird": "tweet",
          "owl": "hoot", "frog": "ribbit", "mouse": "squeak", "bee": "buzz", "snake": "hiss", "rooster": "cock-a-doodle-doo", "wolf": "howl",
          "donkey": "hee-haw", "hen": "cluck", "crow": "caw", "turkey": "gobble"}
BABIES = {"dog": "puppy", "cat": "kitten", "cow": "calf", "duck": "duckling", "sheep": "lamb", "pig": "piglet", "horse": "foal", "lion": "cub",
          "bear": "cub", "hen": "chick", "goose": "gosling", "deer": "fawn", "frog": "tadpole", "kangaroo": "joey", "swan": "cygnet", "goat": "kid"}
LEGS = {"dog": 4, "cat": 4, "bird": 2, "spider": 8, "ant": 6, "bee": 6, "snake": 0, "horse": 4, "duck": 2, "fish": 0, "cow": 4, "octopus": 8, "hen": 2,
        "butterfly": 6, "frog": 4, "chair": 4}
HOMES = {"fish": "in the water", "bird": "in a nest", "bee": "in a hive", "dog": "in a doghouse", "lion": "in the savanna", "penguin": "in the cold south",
         "camel": "in the desert", "bear": "in a den", "horse": "in a stable", "spider": "in a web", "whale": "in the sea", "rabbit": "in a burrow"}
OPPOSITES = {}
for _pair in """hot cold,big small,up down,day night,happy sad,fast slow,open closed,in out,left right,black white,old new,hard soft,wet dry,full empty,
light dark,loud quiet,high low,near far,long short,good bad,clean dirty,early late,strong weak,rich poor,on off,yes no,front back,thick thin,
sweet sour,first last,push pull,give take,win lose,start stop,heavy light,true false,always never,love hate,inside outside,summer winter,
smooth rough,wide narrow,deep shallow,brave afraid,sunrise sunset,before after,above below,buy sell,laugh cry,remember forget""".replace("\n", "").split(","):
    _a, _b = _pair.split()
    OPPOSITES.setdefault(_a, _b)
    OPPOSITES.setdefault(_b, _a)
CAPITALS = {"France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon", "England": "London", "Ireland": "Dublin",
            "Poland": "Warsaw", "Austria": "Vienna", "Switzerland": "Bern", "Norway": "Oslo", "Sweden": "Stockholm", "Finland": "Helsinki",
            "Denmark": "Copenhagen", "Greece": "Athens", "Turkey": "Ankara", "Russia": "Moscow", "Ukraine": "Kyiv", "Egypt": "Cairo", "Kenya": "Nairobi",
            "Japan": "Tokyo", "China": "Beijing", "India": "New Delhi", "Canada": "Ottawa", "Mexico": "Mexico City", "Brazil": "Brasilia",
            "Argentina": "Buenos Aires", "Chile": "Santiago", "Peru": "Lima", "Cuba": "Havana", "Australia": "Canberra", "Belgium": "Brussels",
            "Hungary": "Budapest", "Thailand": "Bangkok", "Vietnam": "Hanoi", "South Korea": "Seoul", "the United States": "Washington",
            "the Netherlands": "Amsterdam", "Iceland": "Reykjavik", "Nepal": "Kathmandu", "Morocco": "Rabat", "Croatia": "Zagreb"}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
SINGLE = {
    "How many days are in a week?": "There are 7 days in a week.", "How many months are in a year?": "There are 12 months in a year.",
    "How many hours are in a day?": "There are 24 hours in a day.", "How many minutes are in an hour?": "There are 60 minutes in an hour.",
    "What are the days of the week?": "The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday.",
    "What are the months of the year?": "The months are " + ", ".join(MONTHS[:-1]) + " and December.",
    "What are the four seasons?": "The four seasons are spring, summer, autumn and winter.", "What are the seasons?": "The four seasons are spring, summer, autumn and winter.",
    "What color do you get from blue and yellow?": "Blue and yellow make green.", "What color do you get from red and yellow?": "Red and yellow make orange.",
    "What color do you get from red and blue?": "Red and blue make purple.", "What color do you get from red and white?": "Red and white make pink.",
    "What shines in the day?": "The sun shines in the day.", "What shines at night?": "The moon shines at night.", "What is the biggest animal?": "The blue whale is the biggest animal.",
    "What is the tallest animal?": "The giraffe is the tallest animal.", "What is the fastest animal on land?": "The cheetah is the fastest animal on land.",
    "What do cows give us?": "Cows give us milk.", "What do bees make?": "Bees make honey.", "What do hens give us?": "Hens give us eggs.", "What is ice made of?": "Ice is frozen water.",
    "How many sides does a triangle have?": "A triangle has 3 sides.", "How many sides does a square have?": "A square has 4 sides.", "How many wheels does a car have?": "A car has 4 wheels.",
    "How many wheels does a bike have?": "A bike has 2 wheels.", "How many fingers does a hand have?": "A hand has 5 fingers.", "How many letters are in the alphabet?": "There are 26 letters in the alphabet.",
    "What is the alphabet?": "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z", "Say the alphabet.": "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
    "Name three colors.": "Red, blue and green.", "Name three animals.": "A dog, a cat and a horse.", "Name three fruits.": "An apple, a banana and a pear.", "Name a fruit.": "An apple.",
    "Name a color.": "Blue.", "Name an animal.": "A cat.", "Count to ten.": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
}  # fmt: skip

# The model about itself, and manners. Several ways to ask, one answer.
ABOUT = {
    "I am Quire's tiny model. I can tell little stories, answer simple questions, add small numbers and write JSON.":
        ["Who are you?", "What are you?", "Tell me about yourself.", "Introduce yourself."],
    "My name is Quire's tiny model.": ["What is your name?", "What's your name?", "Do you have a name?", "How are you called?"],
    "I can tell little stories, answer simple questions, add small numbers and answer in JSON.":
        ["What can you do?", "How can you help me?", "What do you do?", "Help", "Can you help me?", "What can I ask you?"],
    "I am a very small language model that comes with Quire.": ["What is Quire?", "Are you a language model?", "Are you a robot?", "Are you an AI?", "What model are you?"],
    "I was trained on little stories that a program wrote.": ["How were you made?", "Who made you?", "How were you trained?"],
    "I am fine, thank you! How can I help you?": ["How are you?", "How are you today?", "How do you do?", "Are you well?", "What's up?"],
    "Hello! How can I help you?": ["Hello!", "Hi!", "Hello", "Hi", "Hey", "Good morning!", "Hello there!", "Good evening!", "Hi there", "Good afternoon!", "Greetings!"],
    "You are welcome!": ["Thank you!", "Thanks!", "Thank you very much.", "Thanks a lot!", "Thank you", "Thanks"],
    "Goodbye! Have a nice day!": ["Goodbye!", "Bye!", "Bye", "See you later!", "Good night!", "Bye bye!", "See you!"],
    "Why did the cat sit on the computer? To keep an eye on the mouse!": ["Tell me a joke.", "Tell me a joke", "Make me laugh.", "Do you know a joke?"],
    "Roses are red, violets are blue, the stars are all bright, and so are you.": ["Write a poem.", "Tell me a poem.", "Write me a short poem."],
    "Yes, I do! I like little stories best.": ["Do you like stories?", "Do you like reading?"],
    "I like blue, the color of the sky.": ["What is your favorite color?", "Do you like colors?"],
    "I am new in the world.": ["How old are you?", "What is your age?", "When were you made?"],
    "I live inside a small file.": ["Where do you live?", "Where are you?", "Where are you from?"],
}  # fmt: skip
UNKNOWN_ANSWER = "I am a very small model, so I do not know that. Ask me for a story, a sum or some JSON."
UNKNOWN = """Who won the world cup?|How do I cook rice?|What is the meaning of life?|Write a program in Python.|What is the weather today?|Who is the president?
Explain quantum physics.|How do I fix my car?|What time is it?|Translate this into French.|What is the news?|Where can I buy shoes?|Who wrote this book?
What is the speed of light?|How far is the moon?|Why is the sky blue?|How do planes fly?|What is machine learning?|Write an essay about history.
What should I eat tonight?|How do I learn English?|What is the best movie?|Who invented the telephone?|What is a black hole?|How do computers work?
Summarize this text.|What is democracy?|How tall is the tower?|Write a letter to my boss.|What is the population of the world?|How do I lose weight?
Explain how an engine works.|What is the stock market?|What is TypeScript?|What is Rust?|How does the internet work?|What is love?|Who is your boss?
Why do we sleep?|What is a transformer?|How do I make money?|Can you drive a car?|Draw a picture.|Play some music.|Call my mother.|Send an email.""".replace("\n", "|").split("|")


def article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def all_facts() -> list[tuple[list[str], str, object]]:
    """Every fact as (ways to ask, answer, the bare answer for JSON)."""
    facts = []
    for thing, color in COLORS.items():
        facts.append(([f"What color is {thing}?", f"Which color is {thing}?", f"Tell me the color of {thing}."], f"{capital(thing)} is {color}.", color))
    for animal, sound in SOUNDS.items():
        facts.append(([f"What does {article(animal)} say?", f"What sound does {article(animal)} make?", f"What does the {animal} say?", f"How does {article(animal)} sound?"],
                      f"{capital(article(animal))} says {sound}.", sound))
    for animal, baby in BABIES.items():
        facts.append(([f"What is a baby {animal} called?", f"What is the name of a baby {animal}?", f"How do you call a baby {animal}?"], f"A baby {animal} is called {article(baby)}.", baby))
    for animal, legs in LEGS.items():
        facts.append(([f"How many legs does {article(animal)} have?", f"How many legs has {article(animal)}?"],
                      f"{capital(article(animal))} has {'no' if legs == 0 else legs} legs.", legs))
    for animal, home in HOMES.items():
        facts.append(([f"Where does {article(animal)} live?", f"Where do you find {article(animal)}?"], f"{capital(article(animal))} lives {home}.", home))
    for word, opposite in OPPOSITES.items():
        facts.append(([f"What is the opposite of {word}?", f"What's the opposite of {word}?", f"Opposite of {word}?", f"Tell me the opposite of {word}."],
                      f"The opposite of {word} is {opposite}.", opposite))
    for country, city in CAPITALS.items():
        facts.append(([f"What is the capital of {country}?", f"What's the capital of {country}?", f"Which city is the capital of {country}?", f"Capital of {country}?",
                       f"Tell me the capital of {country}."], f"The capital of {country} is {city}.", city))
        if " " not in country:
            facts.append(([f"{city} is the capital of which country?", f"Of which country is {city} the capital?"], f"{city} is the capital of {country}.", country))
    for names, kind in ((DAYS, "day"), (MONTHS, "month")):
        for i, name in enumerate(names):
            after, before = names[(i + 1) % len(names)], names[i - 1]
            facts.append(([f"What {kind} comes after {name}?", f"Which {kind} comes after {name}?", f"What comes after {name}?"], f"{after} comes after {name}.", after))
            facts.append(([f"What {kind} comes before {name}?", f"Which {kind} comes before {name}?", f"What comes before {name}?"], f"{before} comes before {name}.", before))
    for n in range(0, 21):
        facts.append(([f"What number comes after {n}?", f"What comes after {n}?", f"Which number comes after {n}?"], f"{n + 1} comes after {n}.", n + 1))
    facts += [([question], answer, None) for question, answer in SINGLE.items()]
    return facts


def sum_phrasings(a: int, b: int, sign: str) -> list[str]:
    word = {"+": "plus", "-": "minus"}[sign]
    return [f"What is {a} {sign} {b}?", f"What is {a} {word} {b}?", f"{a} {sign} {b}", f"{a}{sign}{b}", f"{a} {sign} {b} = ?", f"How much is {a} {sign} {b}?",
            f"How much is {a} {word} {b}?", f"{a} {word} {b}", f"{a} {sign} {b} ="] + (
        [f"Add {a} and {b}.", f"What is the sum of {a} and {b}?"] if sign == "+" else [f"Subtract {b} from {a}."])


def all_sums() -> list[tuple[int, int, str, int]]:
    """a + b for 0..20 each, a - b for 0 <= b <= a <= 20."""
    sums = [(a, b, "+", a + b) for a in range(21) for b in range(21)]
    return sums + [(a, b, "-", a - b) for a in range(21) for b in range(a + 1)]


def comparisons() -> list[tuple[list[str], str]]:
    rows = []
    for a in range(0, 21):
        for b in range(0, 21):
            if a != b:
                rows.append(([f"Which is bigger, {a} or {b}?", f"What is bigger, {a} or {b}?", f"Which number is larger, {a} or {b}?"],
                             f"{max(a, b)} is bigger than {min(a, b)}."))
    return rows
