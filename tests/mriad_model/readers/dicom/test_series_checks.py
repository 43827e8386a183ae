"""Series of which slices are missing, and those that only seem so."""

import numpy as np
import pytest

from mriad_model.readers.dicom.reading import read_series
from tests.mriad_model.conftest import drawn_head, item, oblique_affine

TALL = oblique_affine((1.1, 0.9, 4.0))
N = 30  # slices of 4 mm: 120 mm


def head():
    return drawn_head((N, 40, 36))


def details(found):
    return {(each.reason.value, each.detail) for _, each in found.rejections}


class TestMissingSlices:
    def test_are_told_by_the_stated_count(self, series, surveyed):
        for path in series.classic(head(), TALL, ImagesInAcquisition=N)[22:]:
            path.unlink()
        stated = "22 slices, 30 stated by ImagesInAcquisition"
        assert details(surveyed()) == {("incomplete", stated)}

    def test_are_told_where_what_is_there_is_a_share_but_no_head(self, series, rejected):
        for path in series.classic(head(), TALL, ImagesInAcquisition=N)[15:]:
            path.unlink()
        assert rejected() == {"incomplete"}

    def test_are_told_by_the_stated_spacing(self, series, surveyed):
        paths = series.classic(head(), TALL, SpacingBetweenSlices=4)
        for path in paths[1::2]:
            path.unlink()
        stated = "slices are 8 mm apart, 4 mm stated by SpacingBetweenSlices"
        assert details(surveyed()) == {("gap", stated)}

    def test_are_told_by_thickness_and_numbers(self, series, rejected):
        for path in series.classic(head(), TALL)[1::2]:
            path.unlink()
        assert rejected() == {"gap"}

    def test_of_a_halted_time_are_told_by_the_others(self, series, surveyed):
        series.classic(head(), TALL, TemporalPositionIdentifier=1)
        for path in series.classic(head(), TALL, TemporalPositionIdentifier=2)[11:]:
            path.unlink()
        found = surveyed()
        assert [len(each.frames) for each in found.series] == [N]
        assert details(found) == {
            ("incomplete", f"11 of {N} slices that another volume of the series has")
        }

    def test_of_an_enhanced_file_are_told_by_its_places(self, series, surveyed):
        def edit(dataset, _):
            for place, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
                groups.FrameContentSequence[0].InStackPositionNumber = place + 5

        series.enhanced(edit=edit, shuffled=False)
        assert details(surveyed()) == {("incomplete", "12 slices, 16 by InStackPositionNumber")}

    @pytest.mark.parametrize("half", [lambda place: place % 2, lambda place: place > 14])
    def test_of_another_echo_leave_no_half_that_is_scored(self, series, surveyed, half):
        def edit(dataset, place):
            dataset.EchoTime = 12 if half(place) else 90

        series.classic(head(), TALL, edit)
        assert {detail for _, detail in details(surveyed())} == {
            f"{n} of {N} slices of one stack: the others have another EchoTime"
            for n in {sum(map(half, range(N))), N - sum(map(half, range(N)))}
        }
        assert surveyed().series == ()

    def test_that_are_phase_leave_no_half_that_is_scored(self, series, surveyed):
        def edit(dataset, place):
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "P" if place % 2 else "M"]

        series.classic(head(), TALL, edit)
        found = surveyed()
        assert found.series == ()
        assert {each.reason.value for _, each in found.rejections} == {
            "incomplete",
            "not_magnitude",
        }


class TestNothingIsMissing:
    def test_where_the_count_is_of_all_echoes(self, series, surveyed):
        for echo in (12, 90):
            series.classic(head(), TALL, EchoTime=echo, ImagesInAcquisition=2 * N)
        found = surveyed()
        assert (len(found.series), found.rejections) == (2, ())

    def test_where_the_count_is_of_another_series_too(self, series, volume):
        series.classic(head(), TALL, ImagesInAcquisition=3 * N)
        assert len(volume().voxels) == N

    def test_where_the_count_is_of_the_images_that_it_is_derived_from(self, series, volume):
        derived = ["DERIVED", "SECONDARY", "MPR"]
        series.classic(head(), TALL, ImageType=derived, ImagesInAcquisition=192)
        assert len(volume().voxels) == N

    def test_where_the_spacing_stated_is_the_gap_between_slices(self, series, surveyed):
        series.classic(head(), TALL, SliceThickness=3, SpacingBetweenSlices=1)
        (found,) = surveyed().series
        assert found.remarks == ("slices are 4 mm apart, 1 mm stated by SpacingBetweenSlices",)

    def test_where_the_spacing_stated_is_of_the_images_that_it_is_derived_from(
        self, series, volume
    ):
        tags = {"SliceThickness": 1, "SpacingBetweenSlices": 1}
        series.classic(head(), TALL, ImageType=["DERIVED", "SECONDARY", "MPR"], **tags)
        assert len(volume().voxels) == N

    def test_where_every_second_number_is_of_another_series(self, series, volume):
        """As the spacing stated is the one found."""

        def edit(dataset, place):
            dataset.InstanceNumber = 2 * place + 2

        series.classic(head(), TALL, edit, SpacingBetweenSlices=4)
        assert len(volume().voxels) == N

    def test_where_numbers_begin_late_but_it_is_remarked(self, series, volume):
        def edit(dataset, place):
            dataset.InstanceNumber = place + 149

        series.classic(head(), TALL, edit)
        assert volume().origin.remarks == (
            "instance numbers begin at 149: slices before may be missing",
        )

    def test_where_echoes_differ_by_rounding(self, series, volume):
        def edit(dataset, place):
            dataset.EchoTime = 90 + 0.01 * (place % 3)

        series.classic(head(), TALL, edit)
        np.testing.assert_array_equal(volume().voxels, head())

    def test_where_two_stacks_of_one_file_count_on(self, series, surveyed):
        def edit(dataset, _):
            for place, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
                content = groups.FrameContentSequence[0]
                content.StackID = "1" if place < 12 else "2"
                content.InStackPositionNumber = place + 1

        series.enhanced(drawn_head((24, 40, 36)), edit=edit, shuffled=False)
        found = surveyed()
        assert [len(each.frames) for each in found.series] == [12, 12]

    def test_where_two_echoes_of_one_enhanced_file_share_their_places(self, series, surveyed):
        def edit(dataset, _):
            frames = dataset.PerFrameFunctionalGroupsSequence
            for first, second in zip(frames[:12], frames[12:], strict=True):
                second.PlanePositionSequence = first.PlanePositionSequence
                second.FrameContentSequence = first.FrameContentSequence
                second.MREchoSequence = [item(EffectiveEchoTime=30.0)]

        both = np.concatenate([drawn_head(), drawn_head() + 1])
        series.enhanced(both, edit=edit, shuffled=False)
        voxels = [read_series(each).voxels for each in surveyed().series]
        np.testing.assert_array_equal(np.concatenate(voxels), both)
