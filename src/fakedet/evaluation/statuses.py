"""The values of `face_status` in a predictions table: what each score was given to."""

GIVEN = "given"  # an image as it is, or a crop that was prepared
NO_FACE = "no face"  # no score: no face was found, and such pictures are excluded
ABSTAINED = "abstained"  # no face was found: the score is 0.5, the verdict `uncertain`
WHOLE_IMAGE = "whole image"  # no face was found: the score is that of the whole picture
UNREADABLE = "unreadable"  # no score

WITHOUT_SCORE = (NO_FACE, UNREADABLE)
STATUSES = (GIVEN, NO_FACE, ABSTAINED, WHOLE_IMAGE, UNREADABLE)
