#!/usr/bin/env python3
"""Writes tests/golden/media: small pictures of every kind, and what Pillow makes of them.

    python tools/reference/make_media_fixtures.py

expected.tsv has a line per file: name, width, height, CRC-32 of the RGB pixels that
`ImageOps.exif_transpose(Image.open(file)).convert("RGB")` gives (what transformers' load_image
does). Run it in the environment of requirements.txt; the seed is fixed, so are the files.
"""
import io
import itertools
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "media"
SIZES = [(1, 1), (7, 5), (33, 18)]
rng = np.random.default_rng(20)
files = {}


def noise(width, height, channels):
    """Noise on a gradient: every value occurs, and there is something for filters to do."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    smooth = 7 * x + 11 * y + 60 * c
    return ((smooth + rng.integers(0, 40, smooth.shape)) % 256).astype(np.uint8)


def picture(mode, width=33, height=18):
    channels = len(mode)
    pixels = noise(width, height, channels)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode)


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


# ---- JPEG

def jpegs():
    for (w, h), sub in itertools.product(SIZES + [(64, 48), (17, 16)], ["4:4:4", "4:2:2", "4:2:0"]):
        for progressive in (False, True):
            name = f"rgb_{w}x{h}_{sub.replace(':', '')}{'_progressive' if progressive else ''}.jpg"
            files[name] = saved(picture("RGB", w, h), "JPEG", quality=85, subsampling=sub,
                                progressive=progressive)
    files["grey.jpg"] = saved(picture("L"), "JPEG", quality=80)
    files["grey_progressive.jpg"] = saved(picture("L"), "JPEG", quality=80, progressive=True)
    files["quality_5.jpg"] = saved(picture("RGB"), "JPEG", quality=5)
    files["quality_100.jpg"] = saved(picture("RGB"), "JPEG", quality=100)
    files["restart.jpg"] = saved(picture("RGB", 40, 40), "JPEG", restart_marker_blocks=2)
    files["keep_rgb.jpg"] = saved(picture("RGB"), "JPEG", keep_rgb=True)
    cmyk = saved(picture("CMYK"), "JPEG", quality=90)
    files["cmyk.jpg"] = cmyk
    # The Adobe segment says how four components are meant: 0 CMYK, 2 YCCK.
    at = cmyk.find(b"Adobe")
    if at > 0:
        files["ycck.jpg"] = cmyk[:at + 11] + b"\2" + cmyk[at + 12:]
    start = saved(picture("RGB"), "JPEG")
    files["comment.jpg"] = start[:2] + b"\xff\xfe\0\7hello" + start[2:]
    files["fill_bytes.jpg"] = start[:2] + b"\xff\xff\xff" + start[2:]
    files["trailing.jpg"] = start + b"behind the end"


def tiff_with_orientation(value, big=False, kind=3):
    e = ">" if big else "<"
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(e + "I", 8)
    number = struct.pack(e + ("H2x" if kind == 3 else "I"), value)
    entry = struct.pack(e + "HHI", 0x112, kind, 1) + number
    other = struct.pack(e + "HHI", 0x100, 3, 1) + struct.pack(e + "H2x", 33)
    return head + struct.pack(e + "H", 2) + other + entry + struct.pack(e + "I", 0)


def with_app1(jpeg, body):
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def orientations():
    base = saved(picture("RGB", 21, 10), "JPEG")
    for value in range(0, 10):
        exif = tiff_with_orientation(value, big=value % 2 == 0, kind=3 if value % 3 else 4)
        files[f"exif_{value}.jpg"] = with_app1(base, b"Exif\0\0" + exif)
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><d tiff:Orientation="%d"/></x:xmpmeta>'
    files["xmp_6.jpg"] = with_app1(base, xmp % 6)
    files["xmp_element_8.jpg"] = with_app1(
        base, b"http://ns.adobe.com/xap/1.0/\0<tiff:Orientation>8</tiff:Orientation>")
    files["exif_3_xmp_6.jpg"] = with_app1(with_app1(base, xmp % 6),
                                          b"Exif\0\0" + tiff_with_orientation(3))
    png = picture("RGB", 21, 10)
    for value in (2, 5, 6, 7, 8):
        files[f"exif_{value}.png"] = with_chunk(saved(png, "PNG"), b"eXIf",
                                                tiff_with_orientation(value))
        files[f"exif_{value}.webp"] = saved(png, "WEBP", lossless=True,
                                            exif=b"Exif\0\0" + tiff_with_orientation(value))
    raw = tiff_with_orientation(6)
    profile = b"\nexif\n%8d\n" % len(raw) + raw.hex().encode() + b"\n"
    files["raw_profile_6.png"] = with_chunk(
        saved(png, "PNG"), b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))
    files["raw_profile_text_8.png"] = with_chunk(
        saved(png, "PNG"), b"tEXt", b"Raw profile type exif\0" + profile.replace(raw.hex().encode(),
                                                                       tiff_with_orientation(8).hex().encode()))
    files["xmp_6.png"] = with_chunk(
        saved(png, "PNG"), b"iTXt",
        b'XML:com.adobe.xmp\0\0\0\0\0<d tiff:Orientation="6"/>')
    files["xmp_deflated_5.png"] = with_chunk(
        saved(png, "PNG"), b"iTXt",
        b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b'<d tiff:Orientation="5"/>'))
    files["xmp_7.webp"] = saved(png, "WEBP", lossless=True, xmp=b'<d tiff:Orientation="7"/>')


# ---- PNG, written by hand: Pillow writes few of its kinds

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(png, kind, body):
    """Behind IHDR."""
    return png[:33] + chunk(kind, body) + png[33:]


PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def pack_row(samples, depth):
    if depth == 16:
        return samples.astype(">u2").tobytes()
    bits = ((samples[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
    return np.packbits(bits.ravel()).tobytes()


def filtered(rows, bytes_per_pixel):
    """All five filters in turn."""
    out, previous = b"", None
    for y, row in enumerate(rows):
        kind = y % 5
        previous = previous if previous is not None and len(previous) == len(row) else bytes(len(row))
        line = bytearray([kind])
        for i, value in enumerate(row):
            left = row[i - bytes_per_pixel] if i >= bytes_per_pixel else 0
            up = previous[i]
            corner = previous[i - bytes_per_pixel] if i >= bytes_per_pixel else 0
            guess = left + up - corner
            nearest = min((abs(guess - v), n, v) for n, v in enumerate((left, up, corner)))[2]
            line.append((value - [0, left, up, (left + up) // 2, nearest][kind]) & 255)
        out += bytes(line)
        previous = row
    return out


def png(color_type, depth, width, height, interlaced=False, palette=None, extra=b"", samples=None):
    channels = PNG_CHANNELS[color_type]
    if samples is None:
        top = 1 << depth if palette is None else min(1 << depth, len(palette) // 3)
        samples = rng.integers(0, top, (height, width * channels))
    bpp = max(1, channels * depth // 8)
    pixels = samples.reshape(height, width, channels)
    data = b""
    for x0, y0, dx, dy in (ADAM7 if interlaced else [(0, 0, 1, 1)]):
        part = pixels[y0::dy, x0::dx]
        if part.size:
            data += filtered([pack_row(r.ravel(), depth) for r in part], bpp)
    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced))
    body += chunk(b"PLTE", bytes(palette)) if palette is not None else b""
    return b"\x89PNG\r\n\x1a\n" + body + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def pngs():
    kinds = [(0, d) for d in (1, 2, 4, 8, 16)] + [(3, d) for d in (1, 2, 4, 8)]
    kinds += [(t, d) for t in (2, 4, 6) for d in (8, 16)]
    for (color_type, depth), (w, h), interlaced in itertools.product(kinds, SIZES, (False, True)):
        palette = rng.integers(0, 256, 3 << depth) if color_type == 3 else None
        name = f"type{color_type}_depth{depth}_{w}x{h}{'_interlaced' if interlaced else ''}.png"
        files[name] = png(color_type, depth, w, h, interlaced,
                          None if palette is None else palette.tolist())
    colours = rng.integers(0, 256, 30).tolist()
    files["palette_of_10.png"] = png(3, 8, 20, 9, palette=colours)
    files["palette_too_short.png"] = png(3, 8, 20, 9, palette=colours,
                                         samples=rng.integers(0, 256, (9, 20)))
    files["palette_trns.png"] = png(3, 4, 20, 9, palette=colours, extra=chunk(b"tRNS", bytes([0, 128, 9])))
    files["grey_trns.png"] = png(0, 8, 20, 9, extra=chunk(b"tRNS", b"\0\7"))
    files["rgb_trns.png"] = png(2, 8, 20, 9, extra=chunk(b"tRNS", b"\0\7\0\7\0\7"))
    files["gamma.png"] = png(2, 8, 20, 9, extra=chunk(b"gAMA", struct.pack(">I", 100000)))
    files["rgb_with_palette.png"] = png(2, 8, 20, 9, palette=colours)
    values = np.array([[0, 1, 254, 255, 256, 257, 4096, 65535]])
    files["grey16_clips.png"] = png(0, 16, 8, 1, samples=values)
    frames = [picture("RGB", 20, 9) for _ in range(3)]
    files["animated.png"] = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    files["animated_default.png"] = saved(frames[0], "PNG", save_all=True, append_images=frames[1:],
                                          default_image=True)


# ---- WebP

def webps():
    for (w, h), mode in itertools.product(SIZES, ("RGB", "RGBA")):
        files[f"lossless_{mode.lower()}_{w}x{h}.webp"] = saved(picture(mode, w, h), "WEBP", lossless=True)
        files[f"exact_{mode.lower()}_{w}x{h}.webp"] = saved(picture(mode, w, h), "WEBP", lossless=True,
                                                            exact=True)
        for quality in (10, 90):
            files[f"lossy{quality}_{mode.lower()}_{w}x{h}.webp"] = saved(picture(mode, w, h), "WEBP",
                                                                         quality=quality)
    for mode in ("RGB", "RGBA"):
        frames = [picture(mode, 20, 9) for _ in range(3)]
        for lossless in (False, True):
            files[f"animated_{mode.lower()}{'_lossless' if lossless else ''}.webp"] = saved(
                frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=lossless)
    sparse = np.zeros((20, 30, 4), np.uint8)
    sparse[8:12, 10:20] = [200, 100, 50, 255]
    frames = [Image.fromarray(sparse, "RGBA"), picture("RGBA", 30, 20)]
    files["animated_offset.webp"] = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:],
                                          lossless=True, minimize_size=True)


# ---- GIF, written by hand with a code book that is cleared before every pixel

def gif_data(indices, depth=8):
    bits = count = 0
    out = bytearray()
    for code in [c for i in indices for c in (1 << depth, int(i))] + [(1 << depth) + 1]:
        bits |= code << count
        count += depth + 1
        while count >= 8:
            out.append(bits & 255)
            bits >>= 8
            count -= 8
    out.append(bits & 255)
    blocks = [out[i:i + 255] for i in range(0, len(out), 255)]
    return bytes([depth]) + b"".join(bytes([len(b)]) + bytes(b) for b in blocks) + b"\0"


def colour_table(palette):
    return bytes(palette), 0x80 | ((len(palette) // 3).bit_length() - 2) if palette else 0


def gif(width, height, screen=None, at=(0, 0), palette=(), local=(), transparent=None, interlaced=False,
        top=None, more=b""):
    screen = screen or (width, height)
    (table, flag), (local_table, local_flag) = colour_table(palette), colour_table(local)
    out = b"GIF89a" + struct.pack("<HHBBB", *screen, flag, 1, 0) + table
    if transparent is not None:
        out += b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    out += b"," + struct.pack("<HHHHB", *at, width, height, local_flag | (64 if interlaced else 0))
    top = top or max(len(local), len(palette)) // 3 or 256
    return out + local_table + gif_data(rng.integers(0, top, width * height)) + more + b";"


def gifs():
    full, short = rng.integers(0, 256, 768).tolist(), rng.integers(0, 256, 24).tolist()
    ramp = [v for i in range(8) for v in (i, i, i)]
    for w, h in SIZES:
        files[f"plain_{w}x{h}.gif"] = gif(w, h, palette=full)
        files[f"interlaced_{w}x{h}.gif"] = gif(w, h, palette=full, interlaced=True)
    files["local.gif"] = gif(9, 7, palette=full, local=short)
    files["only_local.gif"] = gif(9, 7, local=full)
    files["no_palette.gif"] = gif(9, 7)
    files["ramp.gif"] = gif(9, 7, palette=ramp, top=256)
    files["index_beyond_palette.gif"] = gif(9, 7, palette=short, top=256)
    files["transparent.gif"] = gif(9, 7, palette=full, transparent=3)
    files["offset.gif"] = gif(9, 7, screen=(20, 15), at=(4, 5), palette=full)
    files["offset_transparent.gif"] = gif(9, 7, screen=(20, 15), at=(4, 5), palette=full, transparent=77)
    files["beyond_screen.gif"] = gif(9, 7, screen=(6, 6), at=(2, 3), palette=full)
    files["offset_grey.gif"] = gif(9, 7, screen=(20, 15), at=(4, 5), transparent=200)
    files["comment.gif"] = files["local.gif"][:13 + 768] + b"\x21\xfe\5hello\0" + files["local.gif"][13 + 768:]
    frames = [picture("RGB", 20, 9) for _ in range(3)]
    files["animated.gif"] = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    files["written_by_pillow.gif"] = saved(picture("RGB"), "GIF")


# ---- BMP

def bmp(bits, width, height, palette=b"", data=None, compression=0, masks=b"", header=40, colours=0,
        top_down=False, offset=None):
    stride = (width * bits + 31) // 32 * 4
    if data is None:
        data = rng.integers(0, 256, stride * height).astype(np.uint8).tobytes()
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits,
                           compression, len(data), 2835, 2835, colours, 0)
        info += masks + bytes(max(0, header - 40 - len(masks)))
    start = 14 + len(info) + len(palette)
    return (b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start if offset is None else offset)
            + info + palette + data)


def quads(count):
    return rng.integers(0, 256, 4 * count).astype(np.uint8).tobytes()


def bmps():
    for (w, h), bits in itertools.product(SIZES, (1, 4, 8, 16, 24, 32)):
        files[f"bits{bits}_{w}x{h}.bmp"] = bmp(bits, w, h, quads(1 << bits) if bits <= 8 else b"")
    files["top_down.bmp"] = bmp(24, 9, 7, top_down=True)
    files["os2.bmp"] = bmp(8, 9, 7, quads(256)[:768], header=12)
    files["os2_24.bmp"] = bmp(24, 9, 7, header=12)
    for size in (52, 56, 64, 108, 124):
        files[f"header{size}.bmp"] = bmp(24, 9, 7, header=size)
    files["few_colours.bmp"] = bmp(8, 9, 7, quads(20), colours=20)
    files["offset_forgot_palette.bmp"] = bmp(8, 9, 7, quads(256), offset=54)
    layouts = {"565": (16, 0xF800, 0x7E0, 0x1F), "555": (16, 0x7C00, 0x3E0, 0x1F),
               "bgrx": (32, 0xFF0000, 0xFF00, 0xFF), "xbgr": (32, 0xFF000000, 0xFF0000, 0xFF00),
               "bgxr": (32, 0xFF000000, 0xFF00, 0xFF)}
    for name, (bits, *masks) in layouts.items():
        for header in (40, 56):
            files[f"masks_{name}_{header}.bmp"] = bmp(bits, 9, 7, compression=3, header=header,
                                                      masks=struct.pack("<III", *masks))
    rgba = struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    files["masks_rgba.bmp"] = bmp(32, 9, 7, compression=3, header=108, masks=rgba)
    runs = b"".join(b"\5\7\3\1\0\4\1\2\3\4" for _ in range(1)) + b"\0\0"
    line8 = b"\5\7\3\1\0\4\1\2\3\4" + b"\0\3\5\6\7\0" + b"\0\0"
    files["rle8.bmp"] = bmp(8, 15, 4, quads(256), data=line8 * 4 + b"\0\1", compression=1)
    line4 = b"\5\x71\3\x12\0\4\x12\x34" + b"\0\3\x56\x70" + b"\0\0"
    files["rle4.bmp"] = bmp(4, 15, 4, quads(16), data=line4 * 4 + b"\0\1", compression=2)
    files["rle8_move.bmp"] = bmp(8, 15, 4, quads(256), compression=1,
                                 data=line8 + b"\4\3\0\2\3\1\x08\2\0\0" + line8 + b"\0\1")
    del runs


def main():
    for make in (jpegs, orientations, pngs, webps, gifs, bmps):
        make()
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, data in sorted(files.items()):
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        (FOLDER / name).write_bytes(data)
        lines.append(f"{name}\t{image.width}\t{image.height}\t{zlib.crc32(image.tobytes()):08x}\n")
    (FOLDER / "expected.tsv").write_text("".join(lines))
    print(len(files), "files,", sum(map(len, files.values())), "bytes")


if __name__ == "__main__":
    main()
