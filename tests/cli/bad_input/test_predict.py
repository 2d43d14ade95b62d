"""Images and tables that predict cannot use."""

from __future__ import annotations

import numpy as np


def test_pictures_of_another_shape(place, refused):
    np.save(place.data / "other.npy", np.zeros((2, 5, 5), np.uint8))
    refused(
        ["predict", place.run, "--input", place.data / "other.npy", "--output", "x.csv"],
        tells="this run was trained on images (C, H, W) = (1, 6, 6), these are (1, 5, 5)",
    )


def test_pictures_that_are_not_there(place, refused):
    arguments = ["predict", place.run, "--input", "nowhere.npy"]
    refused(arguments, tells="cannot read nowhere.npy: no such file or directory")


def test_a_sample_of_another_length(place, refused):
    (place.data / "sample.csv").write_text("id,label\n0,0\n1,0\n")
    pictures = place.data / "test-images.npy"
    refused(
        ["predict", place.run, "-i", pictures, "--sample", place.data / "sample.csv"],
        tells="sample.csv has 2 rows, but there are 30 images to predict",
    )


def test_labels_as_pictures(place, refused):
    refused(
        ["predict", place.run, "--input", place.data / "labels.csv"],
        tells="labels.csv is not a .npy, IDX, PNG, JPEG, BMP or GIF file; it looks like a table",
    )


def test_an_output_in_no_folder(place, refused):
    pictures = place.data / "test-images.npy"
    refused(
        ["predict", place.run, "--input", pictures, "--output", "nowhere/x.csv"],
        tells="cannot write nowhere/x.csv: No such file or directory; what was there is unchanged",
    )


def test_an_output_below_a_file(place, refused):
    pictures = place.data / "test-images.npy"
    refused(
        ["predict", place.run, "--input", pictures, "--output", place.recipe / "x.csv"],
        tells="cannot write … Not a directory",
    )


def test_an_output_that_is_a_device(place, refused):
    pictures = place.data / "test-images.npy"
    refused(
        ["predict", place.run, "--input", pictures, "--output", "/dev/null"],
        tells="--output /dev/null is not a file; omit --output to print the rows",
    )
