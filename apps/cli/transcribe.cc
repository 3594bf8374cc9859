// gemma3n transcribe MODEL FILE...: what is said in sounds of any length.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>

#include "answer.h"
#include "commands.h"
#include "gemma3n/processor.h"
#include "generation_options.h"
#include "input.h"
#include "json.h"
#include "loading.h"
#include "media_options.h"
#include "messages.h"
#include "subtitles.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string model;
  std::vector<std::string> files;
  std::optional<std::string> prompt;
  std::optional<std::int64_t> threads;
  std::optional<std::string> quantize, size;
  bool json = false, srt = false, vtt = false;
  MediaOptions media;
  GenerationOptions generation;
};

enum class Format { kText, kJson, kSrt, kVtt };

struct Transcript {
  std::string file;
  double seconds = 0;
  std::vector<Subtitle> segments;
  std::vector<FinishReason> finish_reasons;  // one for each segment
};

struct Totals {
  double load_seconds = 0, encode_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
  double audio_seconds = 0;
};

Format format_of(const Arguments& arguments) {
  if (arguments.json + arguments.srt + arguments.vtt > 1) {
    fail(ErrorCode::kInvalidArgument, "--json, --srt and --vtt exclude each other");
  }
  if ((arguments.srt || arguments.vtt) && arguments.files.size() > 1) {
    fail(ErrorCode::kInvalidArgument, arguments.srt ? "--srt" : "--vtt",
         ": expected one FILE, got ", arguments.files.size());
  }
  return arguments.json  ? Format::kJson
         : arguments.srt ? Format::kSrt
         : arguments.vtt ? Format::kVtt
                         : Format::kText;
}

// Model, options and output of one run of the command.
class Transcriber {
 public:
  Transcriber(const Arguments& arguments, Output& out)
      : arguments_(arguments),
        out_(out),
        format_(format_of(arguments)),
        start_(Clock::now()),
        processor_(Processor::from_pretrained(arguments.model)),
        config_(config()),
        model_(load_model(arguments.model, thread_count(arguments.threads),
                          quantization(arguments.quantize), arguments.size)) {
    totals_.load_seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  }

  int run() {
    if (format_ == Format::kVtt) out_.write("WEBVTT\n\n");
    for (const auto& file : arguments_.files) {
      if (!transcribe(file)) break;
    }
    if (format_ == Format::kJson) out_.write(json_report());
    out_.flush();
    return is_interrupted_ ? kExitInterrupted : 0;
  }

 private:
  // The most likely words, unless sampling was asked for.
  GenerationConfig config() const {
    auto defaults = GenerationConfig::from_pretrained(arguments_.model);
    defaults.do_sample = false;
    defaults.num_return_sequences = 1;
    return generation_config(arguments_.generation, std::move(defaults), processor_.tokenizer());
  }

  // False if it was interrupted.
  bool transcribe(const std::string& file) {
    const AudioClip sound = load_sound(file, sample_rate_hz(processor_), arguments_.media.limits());
    const double seconds = seconds_of(sound);
    totals_.audio_seconds += seconds;
    transcripts_.push_back({file, seconds, {}, {}});
    if (format_ == Format::kText && arguments_.files.size() > 1) {
      out_.write((transcripts_.size() > 1 ? "\n==> " : "==> ") + visible_line(file) + " <==\n");
    }
    auto segments = split_audio(sound);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const double from = segments[i].start_seconds;
      const double to = i + 1 < segments.size() ? segments[i + 1].start_seconds : seconds;
      const std::string progress =
          segments.size() == 1
              ? ""
              : std::to_string(i + 1) + " of " + std::to_string(segments.size()) + ": ";
      const auto output = hear(std::move(segments[i].clip), progress);
      record({from, to, output.text.at(0)}, output.finish_reasons.at(0));
      if (is_interrupted_) return false;
    }
    return true;
  }

  GenerateOutput hear(AudioClip clip, const std::string& progress) {
    Message message = {"user", {}};
    message.parts.push_back(audio_part(std::move(clip)));
    message.parts.push_back(text_part(arguments_.prompt.value_or(kTranscribePrompt)));
    const auto inputs = processor_.apply_chat_template({message}, {.add_generation_prompt = true});
    AnswerDisplay display(
        {.out = format_ == Format::kText ? &out_ : nullptr, .progress_prefix = progress});
    const auto output = model_.generate(inputs.input_ids, inputs.media, config_,
                                        &processor_.tokenizer(), display.generate_options());
    totals_.encode_seconds += output.encode_seconds;
    totals_.prefill_seconds += output.prefill_seconds;
    totals_.decode_seconds += output.decode_seconds;
    return output;
  }

  void record(Subtitle segment, FinishReason reason) {
    auto& transcript = transcripts_.back();
    is_interrupted_ = reason == FinishReason::kCancelled;
    if (reason == FinishReason::kLength) {
      print_warning(visible_line(transcript.file) + ": cut off at the length limit, at " +
                    fixed(segment.start_seconds, 1) + " s; --max-tokens raises it");
    }
    if (format_ == Format::kText) out_.write("\n");
    const auto number = transcript.segments.size() + 1;
    if (format_ == Format::kSrt) out_.write_untrusted(srt_entry(number, segment));
    if (format_ == Format::kVtt) out_.write_untrusted(vtt_entry(segment));
    out_.flush();
    transcript.segments.push_back(std::move(segment));
    transcript.finish_reasons.push_back(reason);
  }

  std::string json_report() const {
    Json json;
    json.begin_object().member("model", arguments_.model).key("files").begin_array();
    for (const auto& transcript : transcripts_) {
      std::string text;
      for (const auto& segment : transcript.segments) {
        text += (text.empty() ? "" : " ") + without_surrounding_space(segment.text);
      }
      json.begin_object()
          .member("file", transcript.file)
          .member("seconds", transcript.seconds)
          .member("text", text);
      json.key("segments").begin_array();
      for (std::size_t i = 0; i < transcript.segments.size(); ++i) {
        const auto& segment = transcript.segments[i];
        json.begin_object()
            .member("start", segment.start_seconds)
            .member("end", segment.end_seconds)
            .member("text", segment.text)
            .member("finish_reason", finish_reason_name(transcript.finish_reasons[i]))
            .end_object();
      }
      json.end_array().end_object();
    }
    json.end_array().key("timings").begin_object();
    const double work = totals_.encode_seconds + totals_.prefill_seconds + totals_.decode_seconds;
    json.member("load_seconds", totals_.load_seconds)
        .member("encode_seconds", totals_.encode_seconds)
        .member("prefill_seconds", totals_.prefill_seconds)
        .member("decode_seconds", totals_.decode_seconds)
        .member("audio_seconds", totals_.audio_seconds)
        .member("real_time_factor", totals_.audio_seconds > 0 ? work / totals_.audio_seconds : 0.0)
        .end_object();
    json.member("threads", model_.text().threads());
    return json.end_object().text() + "\n";
  }

  const Arguments& arguments_;
  Output& out_;
  const Format format_;
  const Clock::time_point start_;
  const Processor processor_;
  const GenerationConfig config_;
  const AnyModel model_;
  std::vector<Transcript> transcripts_;
  Totals totals_;
  bool is_interrupted_ = false;
};

constexpr const char* kFooter = R"(
A FILE is a path, an http(s) or data: URL, or "-": standard input, a sound file or raw samples
(16 bits, little-endian, mono, 16 kHz). WAV, FLAC, Ogg Vorbis, Opus, MP3. The model hears at most
30 s at once, so longer sound is cut into clips, in pauses where there are any; each clip is one
line of text, or one subtitle with the time it covers.

Ctrl-C ends it: what there is, is printed, and the exit code is 130.

--json prints one object when all is done: model, files (file, seconds, text, and segments: start,
end, text, finish_reason), timings (seconds; real_time_factor is work per second of sound), threads

Examples:
  gemma3n transcribe gemma-3n-E2B-it interview.mp3
  gemma3n transcribe gemma-3n-E2B-it talk.opus --srt > talk.srt
  arecord -f S16_LE -r 16000 -d 20 | gemma3n transcribe gemma-3n-E2B-it -
  gemma3n transcribe gemma-3n-E2B-it --prompt "Translate this speech into English." rede.flac
)";

}  // namespace

Runner declare_transcribe(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder of the checkpoint");
  options.positional("FILE", arguments->files, "sounds, one after the other");
  options.add("--prompt", "TEXT", arguments->prompt,
              std::string("what to ask about each clip (\"") + kTranscribePrompt + "\")");
  options.flag("--json", arguments->json, "print one JSON object instead of text");
  options.flag("--srt", arguments->srt, "print SubRip subtitles");
  options.flag("--vtt", arguments->vtt, "print WebVTT subtitles");
  declare_threads(options, arguments->threads);
  declare_quantize(options, arguments->quantize);
  declare_size(options, arguments->size);
  declare_url_options(options, arguments->media);
  declare_generation_options(options, arguments->generation);
  options.footer(kFooter);
  return [arguments](Output& out) { return Transcriber(*arguments, out).run(); };
}

}  // namespace gemma3n::cli
