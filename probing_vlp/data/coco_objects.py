"""The 80 object categories of COCO and the words that captions have for them.

A category stands for its own name and for the words after it, each also in the plural.  A phrase takes the place of
the words in it ("hot dog" is no dog, "teddy bear" no bear), and phrases of NO_OBJECT name none of the categories.
Judgements that another list may make otherwise: every table and desk is a dining table, as in COCO's annotations;
plush toys are teddy bears, other toys and pictures of animals and vehicles are no object; a van or a taxi is a car; a
tram is a train; glasses, boards, gloves, computers and plants that are not said to be potted are left out as unclear.
"""

from collections.abc import Sequence

from probing_vlp.data.closed_class import listed
from probing_vlp.data.naming import Namer, with_plurals

PEOPLE = """people man woman boy girl child kid baby infant toddler teen teenager adult guy lady gentleman
human individual someone somebody couple player batter hitter catcher umpire referee skier snowboarder surfer
skateboarder skater rider biker bicyclist cyclist motorcyclist swimmer runner jogger hiker golfer athlete pedestrian
passenger spectator crowd audience tourist traveler shopper customer vendor farmer cowboy jockey driver pilot bride
groom mother father mom mommy dad daddy parent son daughter brother sister husband wife grandmother grandfather friend
student worker chef waiter waitress bartender policeman policewoman officer cop soldier fireman firefighter
businessman businesswoman doctor nurse teacher musician employee youth family team"""
TRADES = "police officer, police man, bus driver, truck driver, taxi driver, cow boy, cow girl, fire man, fire fighter"

CATEGORIES: dict[str, str] = {
    "person": ", ".join([*PEOPLE.split(), TRADES]),
    "bicycle": "bike, cycle, tricycle, push bike, mountain bike",
    "car": "automobile, sedan, taxi, taxi cab, cab, van, minivan, mini van, suv, jeep, limousine, limo, convertible",
    "motorcycle": "motorbike, motor bike, motor cycle, dirt bike, scooter, motor scooter, moped, vespa",
    "airplane": "plane, aeroplane, air plane, aircraft, jet, jetliner, jet liner, airliner, air liner, jumbo jet, "
    "biplane, bi plane, seaplane, jet plane, jet airplane",
    "bus": "busses, minibus, school bus, double decker, double decker bus, tour bus",
    "train": "locomotive, subway, tram, trolley, streetcar, street car, steam engine, train car, train engine, rail "
    "car, subway car, monorail",
    "truck": "pickup, pick up truck, pickup truck, lorry, firetruck, fire truck, fire engine, semi, semi truck, tow "
    "truck, dump truck, tractor trailer, food truck",
    "boat": "ship, canoe, kayak, sailboat, sail boat, ferry, yacht, rowboat, row boat, motorboat, motor boat, "
    "speedboat, speed boat, tugboat, tug boat, gondola, barge, dinghy, catamaran, raft, fishing boat, cruise ship",
    "traffic light": "traffic signal, stoplight, stop light, street light signal, signal light, traffic lamp",
    "fire hydrant": "hydrant, fireplug, fire plug, water hydrant",
    "stop sign": "stopsign",
    "parking meter": "parking metre",
    "bench": "park bench, pew",
    "bird": "duck, duckling, goose, swan, seagull, sea gull, gull, pigeon, dove, parrot, parakeet, cockatoo, macaw, "
    "owl, eagle, hawk, falcon, vulture, rooster, hen, flamingo, pelican, penguin, ostrich, emu, peacock, crow, raven, "
    "robin, sparrow, finch, hummingbird, heron, egret, stork, woodpecker, puffin, toucan, canary",
    "cat": "kitten, kitty, tabby, feline",
    "dog": "puppy, pup, doggy, doggie, poodle, dachshund, bulldog, bull dog, terrier, retriever, golden retriever, "
    "labrador, lab, german shepherd, husky, chihuahua, beagle, pug, corgi, collie, dalmatian, hound, mutt, canine",
    "horse": "pony, foal, colt, stallion, mare, race horse",
    "sheep": "lamb, ram, ewe",
    "cow": "cattle, bull, ox, calf, heifer, longhorn",
    "elephant": "",
    "bear": "polar bear, grizzly, grizzly bear, brown bear, black bear, cub, bear cub, panda, panda bear",
    "zebra": "",
    "giraffe": "",
    "backpack": "back pack, rucksack, knapsack, book bag, bookbag",
    "umbrella": "parasol",
    "handbag": "hand bag, purse, tote, tote bag, pocketbook, shoulder bag",
    "tie": "necktie, neck tie, bow tie, bowtie",
    "suitcase": "suit case, luggage, baggage, briefcase, brief case, duffel bag, duffle bag, travel bag",
    "frisbee": "frisby, flying disc, flying disk",
    "skis": "snow skis, pair of skis",
    "snowboard": "snow board",
    "sports ball": "ball, soccer ball, tennis ball, beach ball, rugby ball, volley ball",
    "kite": "parasail",
    "baseball bat": "bat, base ball bat, ball bat",
    "baseball glove": "mitt, baseball mitt, catchers mitt, catchers glove",
    "skateboard": "skate board, longboard",
    "surfboard": "surf board, boogie board, bodyboard, paddle board, paddleboard",
    "tennis racket": "racket, racquet, tennis racquet, tennis raquet, raquet",
    "bottle": "",
    "wine glass": "wineglass, glass of wine, glasses of wine, champagne glass, champagne flute, goblet",
    "cup": "mug, teacup, tea cup, coffee cup, coffee mug",
    "fork": "",
    "knife": "",
    "spoon": "",
    "bowl": "",
    "banana": "",
    "apple": "",
    "sandwich": "burger, hamburger, cheeseburger, panini, hoagie, sub sandwich",
    "orange": "tangerine, clementine, mandarin orange",
    "broccoli": "brocolli, broccolli",
    "carrot": "baby carrot",
    "hot dog": "hotdog, chili dog, frankfurter",
    "pizza": "",
    "donut": "doughnut, do nut",
    "cake": "cupcake, cup cake, cheesecake, cheese cake, birthday cake, wedding cake",
    "chair": "armchair, arm chair, recliner, stool, rocking chair, lawn chair, office chair",
    "couch": "sofa, loveseat, love seat, settee",
    "potted plant": "potted flower, potted tree, houseplant, house plant, plant in a pot, plants in pots, flower pot, "
    "pot of flowers",
    "bed": "bunk bed, mattress",
    "dining table": "table, kitchen table, dinner table, coffee table, picnic table, desk",
    "toilet": "urinal, commode, toilet seat, toilet bowl, potty",
    "tv": "television, television set, tv set, televison, monitor, computer monitor, flat screen, tv screen",
    "laptop": "laptop computer, lap top, lap top computer, notebook computer, netbook, net book, macbook, apple laptop",
    "mouse": "computer mouse",
    "remote": "remote control, controller, game controller, wii remote, wii controller, tv remote, wiimote",
    "keyboard": "computer keyboard",
    "cell phone": "cellphone, cell, phone, mobile phone, smartphone, smart phone, iphone, telephone, camera phone",
    "microwave": "microwave oven",
    "oven": "stove, stovetop, stove top, stove top oven",
    "toaster": "toaster oven",
    "sink": "wash basin, washbasin, basin",
    "refrigerator": "fridge, freezer, refrigerator freezer",
    "book": "textbook, text book, novel, cookbook, cook book, comic book",
    "clock": "alarm clock, clock tower, wall clock",
    "vase": "",
    "scissors": "scissor, shears, pair of scissors",
    "teddy bear": "teddy, stuffed bear, stuffed animal, stuffed toy, toy bear, plush bear, plush toy, plush animal, "
    "stuffed teddy bear",
    "hair drier": "hair dryer, hairdryer, hairdrier, blow dryer, blow drier, blowdryer",
    "toothbrush": "tooth brush, electric toothbrush",
}

NO_OBJECT = """bus stop, bus station, bus lane, train track, train station, train yard, train depot, train platform,
railroad tie, railway tie, model train, toy train, car park, cable car, box car, bike rack, bicycle rack, bike lane,
bicycle lane, bike path, bike trail, boat house, boat dock, jet ski, plane ticket, dog house, dog bed, dog food, dog
bowl, dog collar, dog park, cat food, cat bed, cat litter, bird house, bird cage, bird feeder, bird bath, corn dog,
horse trailer, horse carriage, rocking horse, carousel horse, sea horse, snow man, lady bug, pitcher of, team of
horses, couple of, family of, ball game, ball park, ball field, ball cap, baseball cap, meat ball, bowling ball,
disco ball, base ball, kite board, ski slope, ski lift, ski pole, ski resort, ski jump, bottle opener, bottle cap,
cup holder, world cup, apple computer, apple pie, apple juice, apple sauce, orange juice, banana bread, carrot cake,
book shelf, book case, book store, table tennis, table cloth, pool table, ping pong table, bed spread, bed room,
flower bed, truck bed, rock bed, river bed, bed of, couch potato, toilet paper, toilet brush, tv stand, tv show, tv
dinner, phone booth, pay phone, phone pole, telephone pole, telephone booth, cell tower, key board, mouse pad, mouse
trap, microwave dinner, oven mitt, sink hole, clock work, knife block, fork lift, soup spoon, horse shoe, piano
keyboard, music keyboard, sheep dog, bull fight, bull ring, tie dye, tie dyed, stuffed chair"""

ANIMALS = listed("bird cat dog horse sheep cow elephant bear zebra giraffe duck penguin")
VEHICLES = listed("bicycle bike car motorcycle motorbike airplane plane jet bus train truck boat")
YOUNG = listed("baby adult mother mommy father young male female family")
"""Before an animal these are no people: a baby elephant."""
CARRIERS = listed("passenger commuter")
"""Before a vehicle these are no people: a passenger train."""
PICTURED = listed("toy plastic ceramic wooden model miniature fake statue lego rubber inflatable gingerbread")
"""Before an animal or a vehicle: no such object."""


def phrases() -> dict[str, str]:
    """Category by phrase, singular and plural; "" for a phrase that names none."""
    singular = {
        phrase.strip(): name for name, others in CATEGORIES.items() for phrase in [name, *others.split(",")] if phrase
    }
    for vehicle in VEHICLES:
        singular.update({f"{carrier} {vehicle}": singular[vehicle] for carrier in CARRIERS})
    for animal in ANIMALS:
        singular.update({f"{age} {animal}": singular[animal] for age in YOUNG})
        singular.setdefault(f"{animal} calf", singular[animal])
    none = [" ".join(phrase.split()) for phrase in NO_OBJECT.split(",")]
    none += [f"{way} {thing}" for way in PICTURED for thing in ANIMALS | VEHICLES]
    singular.update(dict.fromkeys(none, ""))
    return with_plurals(singular)


NAMER = Namer(phrases())


def mentions(words: Sequence[str]) -> list[str]:
    """The categories that a caption mentions, in order, repetitions included; the longest phrase counts."""
    return NAMER.find(words)
