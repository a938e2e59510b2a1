"""Chats: single questions, story requests and conversations that look back at what was said. Messages in, messages out."""

import random

import facts
import json_requests
import lexicon
import stories

SYSTEMS = ["You are a helpful assistant.", "You are Quire's tiny model.", "You are a friendly storyteller.", "Be brief.", "You are a helpful AI assistant.",
           "Answer the question.", "You are kind and helpful."]
ALL_FACTS, ALL_SUMS, COMPARISONS = facts.all_facts(), facts.all_sums(), facts.comparisons()
SYLLABLES = "ba be bo da de do fa fi ga go ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se so ta te ti to va vi za zo".split()


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}


def any_name(rng: random.Random) -> str:
    """A known name, or one made of syllables, so that the model must copy it."""
    if rng.random() < 0.5:
        return rng.choice(lexicon.GIRLS + lexicon.BOYS)
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))).capitalize() + rng.choice(["", "", "n", "r", "l", "s"])


def loosen(question: str, rng: random.Random) -> str:
    """Questions as people type them: sometimes without capital, mark or with `please`."""
    if rng.random() < 0.12:
        question = question[0].lower() + question[1:]
    if rng.random() < 0.12 and question[-1] in ".?!":
        question = question[:-1]
    if rng.random() < 0.04 and question[-1].isalpha():
        question += " please"
    return question


def fact_turn(rng: random.Random) -> list[dict]:
    ways, answer, _ = rng.choice(ALL_FACTS)
    return [user(loosen(rng.choice(ways), rng)), assistant(answer)]


def sum_turn(rng: random.Random) -> list[dict]:
    if rng.random() < 0.08:
        ways, answer = rng.choice(COMPARISONS)
        return [user(rng.choice(ways)), assistant(answer)]
    a, b, sign, total = rng.choice(ALL_SUMS)
    return [user(loosen(rng.choice(facts.sum_phrasings(a, b, sign)), rng)), assistant(f"{a} {sign} {b} = {total}")]


def counting_turn(rng: random.Random) -> list[dict]:
    low = rng.choice([1, 1, rng.randint(0, 10)])
    high = low + rng.randint(2, 10)
    if rng.random() < 0.2:
        return [user(f"Count down from {high} to {low}."), assistant(", ".join(map(str, range(high, low - 1, -1))))]
    asked = rng.choice([f"Count from {low} to {high}.", f"Count from {low} to {high}"] + ([f"Count to {high}.", f"Can you count to {high}?"] if low == 1 else []))
    return [user(asked), assistant(", ".join(map(str, range(low, high + 1))))]


def about_turn(rng: random.Random) -> list[dict]:
    answer = rng.choice(list(facts.ABOUT))
    return [user(loosen(rng.choice(facts.ABOUT[answer]), rng)), assistant(answer)]


def unknown_turn(rng: random.Random) -> list[dict]:
    return [user(loosen(rng.choice(facts.UNKNOWN), rng)), assistant(facts.UNKNOWN_ANSWER)]


def story_turn(rng: random.Random) -> list[dict]:
    """A request for a story that names what the story is really about."""
    story = stories.tell(rng)
    hero, friend, text = story.rows["H"], story.rows["F"], story.text
    named = hero["n"] if "named" in hero["who"] else None
    about = [facts.article(hero["kind"])]
    if named:
        about += [f"{facts.article(hero['kind'])} named {named}", named]
    if named and friend["n"] in text and friend["group"] == "child":
        about += [f"{named} and {friend['n']}"] * 2
    for letter in "TKRLOIU":
        row = story.rows[letter]
        if row["n"].removeprefix("the ") in text and f"{{{letter}" in str(stories.plots.PLOTS[story.plot]):
            about += [facts.article(row["n"].removeprefix("the ")), f"{facts.article(hero['kind'])} and {facts.article(row['n'].removeprefix('the '))}"]
    subject = rng.choice(about)
    plain = ["Tell me a story.", "Tell me a little story.", "Tell me a short story.", "Write a story.", "Tell me a bedtime story.", "Can you tell me a story?",
             "I want to hear a story.", "Please tell me a story.", "Another story, please.", "Story", "Tell a story"]
    asking = ["Tell me a story about {}.", "Tell me a story about {}.", "Write a story about {}.", "Tell me a short story about {}.", "A story about {}, please.",
              "Can you tell me a story about {}?", "I want a story about {}.", "Write a short story about {}.", "Make up a story about {}."]
    asked = rng.choice(plain) if rng.random() < 0.3 else rng.choice(asking).format(subject)
    return [user(loosen(asked, rng)), assistant(text)]


def name_talk(rng: random.Random) -> list[dict]:
    """The user tells something, talks of other things, and asks for it later."""
    name = any_name(rng)
    tellings = {
        "name": ([f"My name is {name}.", f"Hello, my name is {name}.", f"I am {name}.", f"Hi, I'm {name}.", f"Call me {name}."],
                 f"Hello, {name}! Nice to meet you.", ["What is my name?", "What's my name?", "Do you remember my name?", "Who am I?"], f"Your name is {name}."),
    }  # fmt: skip
    color, age, animal, pet, city = rng.choice(json_requests.COLORS), rng.randint(3, 40), rng.choice(lexicon.PETS), any_name(rng), rng.choice(json_requests.CITIES)
    tellings["color"] = ([f"My favorite color is {color}.", f"I like {color} best.", f"I love the color {color}."], f"{color.capitalize()} is a nice color!",
                         ["What is my favorite color?", "Which color do I like?", "What color do I like best?"], f"Your favorite color is {color}.")
    tellings["age"] = ([f"I am {age} years old.", f"I'm {age} years old."], f"{age} is a good age!", ["How old am I?", "What is my age?"], f"You are {age} years old.")
    tellings["pet"] = ([f"I have a {animal} named {pet}.", f"My {animal} is called {pet}.", f"I have a {animal}. Its name is {pet}."], f"{pet} is a nice name for a {animal}!",
                       [f"What is the name of my {animal}?", f"What is my {animal}'s name?", f"What is my {animal} called?"], f"Your {animal} is called {pet}.")
    tellings["city"] = ([f"I live in {city}.", f"I am from {city}.", f"My home is in {city}."], f"{city} is a nice place!", ["Where do I live?", "Where is my home?"], f"You live in {city}.")
    told = rng.sample(list(tellings), rng.choice([1, 1, 2]))
    if "name" not in told and rng.random() < 0.5:
        told[0] = "name"
    turns = []
    for key in told:
        turns += [user(rng.choice(tellings[key][0])), assistant(tellings[key][1])]
    for _ in range(rng.choice([0, 1, 1, 2])):
        turns += rng.choice([fact_turn, sum_turn, about_turn])(rng)
    for key in rng.sample(told, len(told)):
        turns += [user(loosen(rng.choice(tellings[key][2]), rng)), assistant(tellings[key][3])]
    return turns


def follow_up(rng: random.Random) -> list[dict]:
    """A second question that only makes sense after the first."""
    kind = rng.choice(["sound", "opposite", "capital", "sum", "color", "not told"])
    if kind == "not told":
        asked, answer = rng.choice([("What is my name?", "You have not told me your name."), ("How old am I?", "You have not told me your age."),
                                    ("What is my favorite color?", "You have not told me your favorite color."), ("Where do I live?", "You have not told me where you live.")])
        return [user(asked), assistant(answer)]
    if kind == "sum":
        a, b, c = rng.randint(0, 10), rng.randint(0, 10), rng.randint(1, 9)
        return [user(f"What is {a} + {b}?"), assistant(f"{a} + {b} = {a + b}"), user(rng.choice([f"And plus {c}?", f"Add {c}.", f"Add {c} more."])), assistant(f"{a + b} + {c} = {a + b + c}")]
    first, second = None, None
    if kind == "sound":
        (x, sx), (y, sy) = rng.sample(list(facts.SOUNDS.items()), 2)
        first, second = (f"What does {facts.article(x)} say?", f"{facts.capital(facts.article(x))} says {sx}."), (facts.article(y), f"{facts.capital(facts.article(y))} says {sy}.")
    elif kind == "opposite":
        (x, sx), (y, sy) = rng.sample(list(facts.OPPOSITES.items()), 2)
        first, second = (f"What is the opposite of {x}?", f"The opposite of {x} is {sx}."), (y, f"The opposite of {y} is {sy}.")
    elif kind == "capital":
        (x, sx), (y, sy) = rng.sample(list(facts.CAPITALS.items()), 2)
        first, second = (f"What is the capital of {x}?", f"The capital of {x} is {sx}."), (y, f"The capital of {y} is {sy}.")
    else:
        (x, sx), (y, sy) = rng.sample(list(facts.COLORS.items()), 2)
        first, second = (f"What color is {x}?", f"{facts.capital(x)} is {sx}."), (y, f"{facts.capital(y)} is {sy}.")
    asked = rng.choice(["And {}?", "What about {}?", "And what about {}?"]).format(second[0])
    return [user(first[0]), assistant(first[1]), user(asked), assistant(second[1])]


def mixed(rng: random.Random) -> list[dict]:
    turns = []
    for _ in range(rng.randint(2, 3)):
        turns += rng.choice([fact_turn, sum_turn, about_turn, unknown_turn, counting_turn, json_turn, follow_up])(rng)
    return turns


def story_then(rng: random.Random) -> list[dict]:
    turns = story_turn(rng)
    if rng.random() < 0.5:
        return turns + [user("Thank you!"), assistant("You are welcome!")]
    return turns + rng.choice([fact_turn, sum_turn, about_turn])(rng)


def json_turn(rng: random.Random) -> list[dict]:
    messages, answer = json_requests.request(rng)
    return [m for m in messages if m["role"] == "user" and "JSON" in m["content"]][:1] + [assistant(answer)] if len(messages) == 1 else json_turn(rng)


# How often each kind of chat occurs, first and in the second stage, which practices what was learnt last.
FIRST_WEIGHTS = {"fact": 17, "sum": 19, "count": 2, "about": 5, "unknown": 3, "story": 10, "json": 20, "wrapped": 5, "name": 7, "follow": 5, "mixed": 5,
                 "story_then": 2}
SECOND_WEIGHTS = FIRST_WEIGHTS | {"fact": 22, "sum": 38, "about": 3, "unknown": 2, "json": 24, "name": 20, "follow": 3, "mixed": 4}


def conversation(rng: random.Random, weights: dict[str, int] = FIRST_WEIGHTS) -> list[dict]:
    """One whole chat of the training text."""
    kind = rng.choices(list(weights), list(weights.values()))[0]
    if kind == "json":
        messages, answer = json_requests.request(rng)
        return messages + [assistant(answer)]
    if kind == "wrapped":
        messages, answer = json_requests.wrapped_fact(rng, ALL_FACTS, ALL_SUMS)
        return messages + [assistant(answer)]
    maker = {"fact": fact_turn, "sum": sum_turn, "count": counting_turn, "about": about_turn, "unknown": unknown_turn, "story": story_turn, "name": name_talk,
             "follow": follow_up, "mixed": mixed, "story_then": story_then}[kind]
    turns = maker(rng)
    if rng.random() < 0.12:
        turns = [{"role": "system", "content": rng.choice(SYSTEMS)}] + turns
    return turns
