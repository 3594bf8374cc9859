// WebP through libwebp: lossy, lossless, with alpha, animated (first frame).
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "media/image_decoders.h"

namespace gemma3n {
namespace {

struct DemuxDelete {
  void operator()(WebPDemuxer* demux) const { WebPDemuxDelete(demux); }
};

std::string metadata(const WebPDemuxer* demux, const char* fourcc) {
  WebPChunkIterator chunk;
  std::string bytes;
  if (WebPDemuxGetChunk(demux, fourcc, 1, &chunk) != 0) {
    bytes.assign(reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size);
  }
  WebPDemuxReleaseChunkIterator(&chunk);
  return bytes;
}

[[noreturn]] void fail_damaged(const char* what) {
  fail(ErrorCode::kCorruptData, "webp: the file is damaged or cut off: ", what);
}

// Decodes a frame to its place on the canvas; alpha is dropped.
void decode_frame(const WebPIterator& frame, Image& canvas) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0 ||
      WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &config.input) != VP8_STATUS_OK) {
    fail_damaged("no valid frame header");
  }
  const std::int64_t width = config.input.width, height = config.input.height;
  if (width != frame.width || height != frame.height || frame.x_offset + width > canvas.width ||
      frame.y_offset + height > canvas.height) {
    fail_damaged("the frame's size contradicts the container's");
  }
  const auto stride = static_cast<std::size_t>(3 * canvas.width);
  const auto begin = stride * static_cast<std::size_t>(frame.y_offset) +
                     3 * static_cast<std::size_t>(frame.x_offset);
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = canvas.rgb.data() + begin;
  config.output.u.RGBA.stride = static_cast<int>(stride);
  config.output.u.RGBA.size = canvas.rgb.size() - begin;
  const VP8StatusCode status = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
  if (status == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status != VP8_STATUS_OK) fail_damaged("its pixels cannot be decoded");
}

struct FrameIterator : WebPIterator {
  FrameIterator() : WebPIterator{} {}
  ~FrameIterator() { WebPDemuxReleaseIterator(this); }
};

}  // namespace

StoredPicture decode_webp(std::span<const std::byte> file, const MediaLimits& limits) {
  const WebPData data = {reinterpret_cast<const std::uint8_t*>(file.data()), file.size()};
  const std::unique_ptr<WebPDemuxer, DemuxDelete> demux(WebPDemux(&data));
  if (!demux) fail_damaged("its chunks are not those of a whole file");

  FrameIterator frame;
  if (WebPDemuxGetFrame(demux.get(), 1, &frame) == 0) fail_damaged("there is no picture in it");
  StoredPicture picture;
  picture.image = new_image("webp", WebPDemuxGetI(demux.get(), WEBP_FF_CANVAS_WIDTH),
                            WebPDemuxGetI(demux.get(), WEBP_FF_CANVAS_HEIGHT), limits);
  decode_frame(frame, picture.image);
  picture.exif = metadata(demux.get(), "EXIF");
  picture.xmp = metadata(demux.get(), "XMP ");
  return picture;
}

}  // namespace gemma3n
