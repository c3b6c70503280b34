"""Whether pixels can be decoded here: one tiny image in every family of transfer syntaxes, decoded for real."""

import base64
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, dcmwrite
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cinema_cli.domain.finding import Finding, State

IMAGE: NDArray[np.uint16] = (17 + 60 * np.arange(64)).reshape(8, 8).astype(np.uint16)
"""A ramp of 12-bit values. The codestreams below are this image (its upper 8 bits for JPEG baseline), made once by
imagecodecs 2026.10.10 with CharLS, liblj92, OpenJPEG and libjpeg."""


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of coding, how far decoded values may be off, and the tiny image coded with it."""

    name: str
    syntax: UID
    coded: str = ""  # codestream, base85; empty: as it is
    tolerance: int = 0
    n_bits: int = 12


FAMILIES = (
    Family("uncompressed", ExplicitVRLittleEndian),
    Family("deflated", DeflatedExplicitVRLittleEndian),
    Family(
        "RLE",
        RLELossless,
        "0ssI2KmY&$Y5)KL00000000000000000000000000000000000000000000000000000000000000000{Q&&|00I31{sRC5`"
        "~?36{{{U9{|EmE{0IOE{t5jG01N&L{0#jK{SF5aO^L+;J$bbU@hxek;T>6(2hj~lg~9zfbqBHSDP^JE8C3_7%?U+;z4<i<aj"
        "oekVV&6(2T_g51wnne^#?I+spTPEnbi",
    ),
    Family(
        "JPEG baseline",
        JPEGBaseline8Bit,
        "|JeWF01!$>Nk#wx0RR9200961|JwjV00IF40RaI50RaI50s;a81OoyB0s;jD1Oo&H1qKEN1qKEN2MGuU2MGrT1_%oX2?`1d3"
        "JL}Y3k(Yi3<(Mf3je?W3kU!R00;pA5di<h03QGV0R;g80RaI400000000000RjUA1qKHQ2?`7U!~nGr00IF60|EpC1qB2I00"
        "04f0RjU61Q7)iAu&M)6H#FYB5@QlfsvsIBSNvk6;jdgBr{@if(Z&17Z@2DB_<~*DJnEIHa9pqIzvQ7Mn_0VN>fx-R##YAT4Q"
        "8oW@l(=YIAgTc6WGrdV_?8hKGoWijtF*m6n&7nVO=bq@|{(sHv*5v$VCgx45~w!o$SH#>dFX%F@%+)z;V8+1laa<K*S$=jiF"
        "`@$&QZ_4fDp`TGCb00;pA002J#=Dr>O0KvPT>i+=ZhVTCXKHvRn|Je",
        tolerance=4,
        n_bits=8,
    ),
    Family(
        "JPEG extended",
        JPEGExtended12Bit,
        "|JeWF01!$>Nk#wx0RR9200961|JwjV00IF40RaI50RaI50s;a81OoyB0s;jD1Oo&H1qKEN1qKEN2MGuU2MGrT1_%oX2?`1d3"
        "JL}Y3k(Yi3<(Mf3je_X3k(1V00;pA5di<h02BZL0000000000000000000A|HJ?s5C8xM0{{R30000000000000XPDmF+|WO"
        "4u600;pA002J#Ic40Zbs)@a#;)AeAOG0",
        tolerance=40,
    ),
    Family(
        "JPEG lossless",
        JPEGLosslessSV1,
        "|JeV;02crO0RaI30000000000000082?h)Q!vG5m00;mG0RRyI|Jncu0RR97007`2yxwm&o6Y9(@H`$52ZO=j@VpNPgTdhNc"
        "swry!Qk+CJRT1V!0>oH9uEhD!tgvE4+n$6;PAW;2ZO=j@OV5g1Hs_%csw2t0RPz",
    ),
    Family(
        "JPEG-LS",
        JPEGLSLossless,
        "|JeWN03cIPNk&Eh0ssI300008000083J?YX0003j0003j|L6b+00001|JeWc01FTR2mlBH0TBTI_y7$7|Nj6I07C&306_oR0"
        "0;pA00000LKyEI<E-a6$9U`TBgA%{Co6@zJbVjfs?lb$SfjVTuy1Z{Y->)Q^HWPhJ2NVB_gNU&m{=Fr4{>>Qacya3ZuZtz71"
        "h<7Er9>o",
    ),
    Family(
        "JPEG 2000",
        JPEG2000Lossless,
        "|4;u>04V?f0000800008000000000000008000080000000000009dD0sm3}3;+NC0RR951ONg5TmS?>VE<$QB>(|Ka%Ew3W"
        "n>^?c_2@4Wo}APMMofZWpZ<AZ*CwmE;TMR|BwI*000000Am0F|C7(<ND&>jxbYEt(-$^Ujo+z^e44@rm&=<|zBWLd6z)3Zd="
        "R%cNxFd=R1l#;4`MSUTr%pXp1_)!$n~zR@>ONkvA50heB6eJf$a(bVHrn!rV<kW*#",
    ),
)


def check_decoders() -> Finding:
    """Whether each family of `FAMILIES` decodes to the image that was coded. An archive may hold any of them."""
    broken = {family.name: reason for family in FAMILIES if (reason := _fault(family))}
    facts = {family.name: broken.get(family.name, "decoded") for family in FAMILIES}
    if not broken:
        return Finding("decoders", State.OK, ", ".join(family.name for family in FAMILIES), facts=facts)
    said = "; ".join(f"{name}: {reason}" for name, reason in broken.items())
    hint = "Reinstall pylibjpeg, pylibjpeg-libjpeg, pylibjpeg-openjpeg and pylibjpeg-rle."
    return Finding("decoders", State.FAIL, f"not decoded: {said}", hint, facts)


def _fault(family: Family) -> str:
    """Why an image of this kind cannot be read; empty where it can."""
    wanted = IMAGE.astype(np.int64) >> (12 - family.n_bits)
    try:
        found = next(iter(iter_pixels(dcmread(BytesIO(_file(family))), raw=True))).astype(np.int64)
    except Exception as error:  # the decoders behind pydicom raise many kinds
        return type(error).__name__
    if found.shape != wanted.shape:
        return f"{found.shape} pixels"
    worst = int(abs(found - wanted).max())
    return f"values are off by {worst}" if worst > family.tolerance else ""


def _file(family: Family) -> bytes:
    """The tiny image as a DICOM file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = family.syntax
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.4")  # MR image
    meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = IMAGE.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated = 8 if family.n_bits == 8 else 16
    dataset.BitsStored, dataset.HighBit = family.n_bits, family.n_bits - 1
    dataset.PixelData = encapsulate([base64.b85decode(family.coded)]) if family.coded else IMAGE.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OB" if family.coded else "OW"
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()
