// Which way up a picture is to be shown, and turning it that way.
#pragma once

#include <string_view>

#include "gemma3n/media.h"

namespace gemma3n {

// The orientation 1 to 8 that the metadata asks for; 1 (as stored) if it asks for none or makes no
// sense. Exif comes first, XMP ("tiff:Orientation") only if Exif has no orientation.
//   exif: a TIFF file, perhaps behind "Exif\0\0".   xmp: an XML document
// Ref: Exif 2.32, 4.6.2 and 4.6.4 (tag 0x0112)
int orientation_of(std::string_view exif, std::string_view xmp);

// The picture as a person should see it.
//   orientation: 1 as it is, 2 mirrored, 3 turned by 180 degrees, 4 upside down, 5 transposed,
//                6 turned clockwise by 90 degrees, 7 transposed along the other diagonal,
//                8 turned counter-clockwise by 90 degrees
Image turned_upright(Image image, int orientation);

}  // namespace gemma3n
