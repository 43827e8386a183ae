"""The coded concepts of the outputs. Those of mriad's own stand under 99MRIAD.

The standard's codes of findings name diseases, which a score does not; so only the category of a
segment is the standard's.
"""

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes

from mriad_model.enums import DecisionReason, Side, Verdict

SCHEME = "99MRIAD"  # PS3.16, 8.2: private designators begin with 99


def _own(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, SCHEME, meaning)


ABNORMAL_STRUCTURE = CodedConcept.from_code(codes.SCT.MorphologicallyAbnormalStructure)  # CID 7150
UNLIKE_HEALTHY = _own("UNLIKE", "Region unlike healthy training scans")
SCORE = _own("SCORE", "Anomaly score")
THRESHOLD = _own("THRESHOLD", "Threshold of the anomaly score")
P_VALUE = _own("P", "p-value against healthy calibration scans")
VERDICT = _own("VERDICT", "Research verdict")
VERDICTS = {
    Verdict.NORMAL: _own("NORMAL", "Not above the threshold"),
    Verdict.SUSPICIOUS: _own("SUSPICIOUS", "Above the threshold"),
    Verdict.UNCERTAIN: _own("UNCERTAIN", "Neither normal nor suspicious"),
    Verdict.NOT_SCORABLE: _own("NOT_SCORABLE", "Not scorable"),
}
REASON = _own("REASON", "Reason of the research verdict")
REASONS = {
    each: _own(each.value.upper(), meaning)
    for each, meaning in {
        DecisionReason.NOT_ABOVE_THRESHOLD: "Score not above the threshold",
        DecisionReason.ABOVE_THRESHOLD: "Score above the threshold",
        DecisionReason.NEAR_THRESHOLD: "Score within the threshold's sampling interval",
        DecisionReason.NEAR_GATE: "Nearly too unlike the scans learned from",
        DecisionReason.FOLDS_DISAGREE: "Models of the folds disagree",
        DecisionReason.UNLIKE_LEARNED: "Not like the scans learned from",
        DecisionReason.CONTRAST_UNKNOWN: "Contrast unknown, not like scans learned from",
        DecisionReason.NEEDS_LOCAL_HEALTHY: "Another scanner's head; local healthy scans needed",
        DecisionReason.REGISTRATION_FAILED: "Registration failed",
    }.items()
}
PEAK = _own("PEAK", "Highest value of the anomaly map")
PEAK_PLACE = (  # DICOM's axes: to the left, the back and the head
    _own("PEAK_LEFT", "Place of the highest value, to the patient's left"),
    _own("PEAK_BACK", "Place of the highest value, to the patient's back"),
    _own("PEAK_HEAD", "Place of the highest value, to the patient's head"),
)
LATERALITY = CodedConcept.from_code(codes.SCT.Laterality)
SIDES = {
    Side.LEFT: CodedConcept.from_code(codes.SCT.Left),
    Side.RIGHT: CodedConcept.from_code(codes.SCT.Right),
    Side.MIDLINE: CodedConcept.from_code(codes.SCT.Midline),
}
MILLIMETRE = CodedConcept("mm", "UCUM", "Millimeter")
VOLUME = CodedConcept.from_code(codes.SCT.Volume)
MILLILITRE = CodedConcept("mL", "UCUM", "Milliliter")
NO_UNIT = CodedConcept("1", "UCUM", "no units")
COMMENT = CodedConcept.from_code(codes.DCM.Comment)
QUALITATIVE_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500
ARTIFICIAL_INTELLIGENCE = CodedConcept.from_code(codes.DCM.ArtificialIntelligence)  # CID 7162
MR_PROCEDURE = CodedConcept.from_code(codes.LN.MRIUnspecifiedBodyRegion)  # CID 100


def own_scheme() -> CodingSchemeIdentificationItem:
    """What 99MRIAD is, for the SOP common module."""
    return CodingSchemeIdentificationItem(SCHEME, name="mriad", responsible_organization="mriad")
