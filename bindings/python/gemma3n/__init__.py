"""Gemma 3n on a CPU, with the API of transformers and without PyTorch.

    from gemma3n import AutoProcessor, Gemma3nForConditionalGeneration, pipeline

Classes have the names, arguments and results that transformers' Gemma 3n classes have. Inputs may be NumPy arrays,
torch tensors or nested lists; results are NumPy arrays, or torch tensors where the inputs were.
"""

from gemma3n import _native as _native, audio_utils as audio_utils, image_utils as image_utils
from gemma3n._native import (
    ContextFullError as ContextFullError,
    CorruptDataError as CorruptDataError,
    Error as Error,
    InternalError as InternalError,
    InvalidArgumentError as InvalidArgumentError,
    NotFoundError as NotFoundError,
    UnsupportedError as UnsupportedError,
)
from gemma3n.auto import (
    AutoConfig as AutoConfig,
    AutoFeatureExtractor as AutoFeatureExtractor,
    AutoImageProcessor as AutoImageProcessor,
    AutoModel as AutoModel,
    AutoModelForCausalLM as AutoModelForCausalLM,
    AutoModelForImageTextToText as AutoModelForImageTextToText,
    AutoModelForMultimodalLM as AutoModelForMultimodalLM,
    AutoProcessor as AutoProcessor,
    AutoTokenizer as AutoTokenizer,
)
from gemma3n.batch import BatchEncoding as BatchEncoding, BatchFeature as BatchFeature
from gemma3n.cache import Cache as Cache, DynamicCache as DynamicCache, StaticCache as StaticCache
from gemma3n.configuration import (
    Gemma3nAudioConfig as Gemma3nAudioConfig,
    Gemma3nConfig as Gemma3nConfig,
    Gemma3nTextConfig as Gemma3nTextConfig,
    Gemma3nVisionConfig as Gemma3nVisionConfig,
    PreTrainedConfig as PreTrainedConfig,
    PretrainedConfig as PretrainedConfig,
)
from gemma3n.feature_extraction import Gemma3nAudioFeatureExtractor as Gemma3nAudioFeatureExtractor
from gemma3n.generation import (
    EosTokenCriteria as EosTokenCriteria,
    LogitsProcessor as LogitsProcessor,
    LogitsProcessorList as LogitsProcessorList,
    MaxLengthCriteria as MaxLengthCriteria,
    MaxTimeCriteria as MaxTimeCriteria,
    StoppingCriteria as StoppingCriteria,
    StoppingCriteriaList as StoppingCriteriaList,
    set_seed as set_seed,
)
from gemma3n.generation_config import (
    CompileConfig as CompileConfig,
    GenerationConfig as GenerationConfig,
    WatermarkingConfig as WatermarkingConfig,
)
from gemma3n.image_processing import SiglipImageProcessor as SiglipImageProcessor
from gemma3n.media import load_audio as load_audio, load_image as load_image
from gemma3n.modeling import (
    Gemma3nForCausalLM as Gemma3nForCausalLM,
    Gemma3nForConditionalGeneration as Gemma3nForConditionalGeneration,
    Gemma3nModel as Gemma3nModel,
    Gemma3nPreTrainedModel as Gemma3nPreTrainedModel,
    Gemma3nTextModel as Gemma3nTextModel,
    PreTrainedModel as PreTrainedModel,
)
from gemma3n.outputs import ModelOutput as ModelOutput
from gemma3n.pipelines import (
    AnyToAnyPipeline as AnyToAnyPipeline,
    ImageTextToTextPipeline as ImageTextToTextPipeline,
    Pipeline as Pipeline,
    TextGenerationPipeline as TextGenerationPipeline,
    pipeline as pipeline,
)
from gemma3n.processing import Gemma3nProcessor as Gemma3nProcessor
from gemma3n.streamers import TextIteratorStreamer as TextIteratorStreamer, TextStreamer as TextStreamer
from gemma3n.tensors import (
    Tensor as Tensor,
    bfloat16 as bfloat16,
    float16 as float16,
    float32 as float32,
)
from gemma3n.tokenization import (
    AddedToken as AddedToken,
    GemmaTokenizer as GemmaTokenizer,
    GemmaTokenizerFast as GemmaTokenizerFast,
)

__version__: str = _native.version()
