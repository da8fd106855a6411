import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_noisy.noise import index_block, superclass

pytestmark = pytest.mark.backend_free

# A second, independent list: the names of superclasses' members on the page of the data set.
SUPERCLASSES = """
    beaver dolphin otter seal whale
    aquarium_fish flatfish ray shark trout
    orchid poppy rose sunflower tulip
    bottle bowl can cup plate
    apple mushroom orange pear sweet_pepper
    clock keyboard lamp telephone television
    bed chair couch table wardrobe
    bee beetle butterfly caterpillar cockroach
    bear leopard lion tiger wolf
    bridge castle house road skyscraper
    cloud forest mountain plain sea
    camel cattle chimpanzee elephant kangaroo
    fox porcupine possum raccoon skunk
    crab lobster snail spider worm
    baby boy girl man woman
    crocodile dinosaur lizard snake turtle
    hamster mouse rabbit shrew squirrel
    maple_tree oak_tree palm_tree pine_tree willow_tree
    bicycle bus motorcycle pickup_truck train
    lawn_mower rocket streetcar tank tractor
"""
MEMBERS = [line.split() for line in SUPERCLASSES.split("\n") if line.strip()]
NAMES = sorted(
    name for members in MEMBERS for name in members
)  # Classes are numbered in this order.
SUPERCLASSES_BY_CLASS = {
    NAMES.index(name): i for i, members in enumerate(MEMBERS) for name in members
}
# The next class of each class, from the code of GJS.
NEXT = [51, 32, 11, 42, 30, 20, 7, 14, 13, 10, 16, 35, 17, 48, 18, 19, 28, 37, 24, 21]
NEXT += [25, 31, 39, 33, 6, 84, 45, 29, 61, 44, 55, 38, 67, 49, 63, 46, 50, 68, 15, 40]
NEXT += [86, 69, 43, 88, 78, 77, 98, 52, 58, 60, 65, 53, 56, 57, 62, 72, 59, 83, 90, 96]
NEXT += [71, 9, 70, 64, 66, 74, 75, 73, 76, 81, 82, 23, 95, 91, 80, 34, 12, 79, 93, 99]
NEXT += [36, 85, 92, 0, 94, 89, 87, 22, 97, 41, 8, 1, 54, 27, 5, 4, 47, 3, 2, 26]


def flips(matrix):
    return (matrix - np.diag(np.diag(matrix))).argmax(axis=1).tolist()


def test_superclass_flips_to_the_next_of_its_superclass():
    assert flips(superclass(0.4)) == NEXT
    for i, j in enumerate(flips(superclass(0.4))):
        members = sorted(
            n for n in range(100) if SUPERCLASSES_BY_CLASS[n] == SUPERCLASSES_BY_CLASS[i]
        )
        assert members[(members.index(i) + 1) % 5] == j


@pytest.mark.parametrize(("make", "inside"), [(superclass, 100), (index_block, 6)])
def test_how_many_flips_stay_in_the_superclass(make, inside):
    stay = [
        SUPERCLASSES_BY_CLASS[i] == SUPERCLASSES_BY_CLASS[j] for i, j in enumerate(flips(make(0.4)))
    ]
    assert sum(stay) == inside


def test_index_block():
    for i, j in enumerate(flips(index_block(0.4))):
        assert j == (i + 1 if i % 5 < 4 else i - 4)


@pytest.mark.parametrize("make", [superclass, index_block])
@given(rate=st.floats(0, 1))
def test_two_numbers_in_each_row(make, rate):
    matrix = make(rate)
    assert matrix.shape == (100, 100)
    np.testing.assert_array_equal(np.diag(matrix), 1 - rate)
    np.testing.assert_array_equal(np.sort(matrix, axis=1)[:, :98], 0.0)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0)  # Exactly one class flips to each class.


@pytest.mark.parametrize("make", [superclass, index_block])
@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, "0.4", None, True])
def test_bad_rate(make, value):
    with pytest.raises(ValueError, match=r"`rate` must be a number in \[0, 1\]. Received: rate="):
        make(value)
