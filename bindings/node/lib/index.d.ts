// Types of the package, and what each function promises: shapes, units, errors.
//
// Errors are Error objects whose message says what to do. TypeError: an argument is wrong. Errors of the library have
// `code`: GEMVEC_NOT_FOUND, GEMVEC_IO, GEMVEC_BAD_FORMAT, GEMVEC_UNSUPPORTED, GEMVEC_TOO_LONG, GEMVEC_NO_MEMORY,
// GEMVEC_INVALID_ARGUMENT, GEMVEC_DISPOSED, GEMVEC_INTERNAL. An aborted call rejects with its signal's reason.

/** Version of the library. */
export const version: string;

/**
 * The path of the model that `name` means: a path itself, or the release's name on the hub
 * ("google/embeddinggemma-300m", "onnx-community/embeddinggemma-300m-ONNX"), or nothing. For these: the environment's
 * GEMVEC_MODEL, else where `gemvec pull` puts it. Throws (GEMVEC_NOT_FOUND) if it is not on this machine.
 */
export function findModel(name?: string): string;

export interface LoadOptions {
  /** What findModel() takes. */
  model?: string;
  /** Numbers in the weights. Default "q8", or what a .gemvec file holds. */
  dtype?: "fp32" | "bf16" | "q8" | "q4" | "mixed";
  /** "fp32": fp32 arithmetic also over bf16 weights, which gives the ONNX release's numbers. */
  compute?: "native" | "fp32";
  /** Default: one for each core that this process may run on. */
  threads?: number;
  /** Dimensions of all vectors that do not ask for others. */
  truncateDim?: 768 | 512 | 256 | 128;
  /** Where packed weights are kept. Default: the environment's GEMVEC_CACHE, else the user's cache. */
  cacheDir?: string;
  /** fp32 arithmetic over exactly the file's numbers. */
  exact?: boolean;
  /** Take a GGUF or ONNX file without the dense layers: no vector of it is the release's. */
  allowHeadless?: boolean;
  /** Pack the weights into private memory. */
  noCache?: boolean;
  /** Do not compare the model card's example with the release. */
  skipSelfCheck?: boolean;
  /** Bytes of working memory at most. Default: no limit. */
  maxMemory?: number;
  signal?: AbortSignal;
  /** Told while weights are packed, which only the first load does: bytes done and in all. */
  onProgress?: (progress: Progress) => void;
  /** Told of repairs ("info"), and of why vectors are not the release's ("warning"). */
  onMessage?: (message: string, level: "info" | "warning") => void;
}

export interface Progress {
  stage: string;
  done: number;
  total: number;
}

export interface EmbedOptions {
  /** Name of the prompt that goes before each text: one of `prompts`, or "none". */
  task?: string;
  /** Or the prompt itself. embed() needs one of the two. */
  prompt?: string;
  /** Of the task "retrieval-document". */
  title?: string;
  /** The vector is cut to it and made unit length again. Default: truncateDim, else 768. */
  dimensions?: 768 | 512 | 256 | 128;
  /** false: vectors as they leave the model's last layer. Default: unit length. */
  normalize?: boolean;
  /** What happens to a text with more than maxTokens. It keeps its EOS. "error" rejects (GEMVEC_TOO_LONG). */
  truncate?: "right" | "left" | "error";
  /** 2 to 2048 (the default), prompt, BOS and EOS included. */
  maxTokens?: number;
  /** "text": "<bos>" and its like in a text are ordinary characters. */
  controlText?: "parse" | "text";
  /** Looked at between micro-batches, which take some tens of milliseconds. */
  signal?: AbortSignal;
  /** Number of texts done and in all, now and then and at the end. */
  onProgress?: (progress: Progress) => void;
}

export interface ModelInfo {
  model: string;
  sourceFormat: string;
  sourceNumbers: string;
  dtype: string;
  compute: string;
  isa: string;
  threads: number;
  maxTokens: number;
  width: number;
  vocabSize: number;
  sourceBytes: number;
  packedBytes: number;
  workspaceBytes: number;
  packedFromCache: boolean;
  /** The model card's example gave the release's vectors. */
  isRelease: boolean;
}

export type Document = string | { text: string; title?: string };
export type Vectors = Float32Array | Float32Array[] | number[] | number[][] | Tensor;

export class EmbeddingGemma {
  private constructor();
  /** Loads a model, off the event loop. The first load of a model packs its weights, which takes seconds. */
  static load(options?: LoadOptions): Promise<EmbeddingGemma>;
  /** Task name -> prompt. */
  readonly prompts: Record<string, string>;
  readonly info: ModelInfo;
  /**
   * Vectors in the order of the texts; the same text gives the same bits in any company. One call with many texts is
   * fastest. The vectors of one call are views of one buffer. Lone surrogates count as U+FFFD.
   */
  embed(text: string, options: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly string[], options: EmbedOptions): Promise<Float32Array[]>;
  /** The same as one Tensor [texts, dimensions]. */
  embedTensor(texts: string | readonly string[], options: EmbedOptions): Promise<Tensor>;
  /** embed() with the task "retrieval-query", unless `options` has another or a prompt. */
  embedQuery(query: string, options?: EmbedOptions): Promise<Float32Array>;
  embedQuery(queries: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  /** embed() with the task "retrieval-document" and each document's title. */
  embedDocument(document: Document, options?: Omit<EmbedOptions, "task" | "prompt">): Promise<Float32Array>;
  embedDocument(documents: readonly Document[], options?: Omit<EmbedOptions, "task" | "prompt">): Promise<Float32Array[]>;
  similarity: typeof similarity;
  /** Token ids of each text as the model would see them, BOS and EOS included. */
  tokenize(text: string, options?: TokenizeOptions): Int32Array;
  tokenize(texts: readonly string[], options?: TokenizeOptions): Int32Array[];
  /** Frees the model once no call uses it any more. Later calls reject with GEMVEC_DISPOSED. */
  dispose(): void;
}

export type TokenizeOptions = Pick<EmbedOptions, "task" | "prompt" | "title" | "maxTokens" | "truncate" | "controlText">;

export type SimilarityKind = "cosine" | "dot" | "euclidean" | "manhattan";
/** Of two vectors a number; of one and several a Float32Array; of several and several one Float32Array for each of a. */
export function similarity(a: Float32Array | number[], b: Float32Array | number[], kind?: SimilarityKind): number;
export function similarity(a: Float32Array | number[], b: Float32Array[] | number[][], kind?: SimilarityKind): Float32Array;
export function similarity(a: Float32Array[] | number[][], b: Float32Array | number[], kind?: SimilarityKind): Float32Array;
export function similarity(a: Float32Array[] | number[][], b: Float32Array[] | number[][], kind?: SimilarityKind): Float32Array[];
export function similarity(a: Vectors, b: Vectors, kind?: SimilarityKind): number | Float32Array | Float32Array[];

// ---- As in Transformers.js ----

export type TensorType = "float32" | "float64" | "int8" | "uint8" | "bool" | "int16" | "uint16" | "int32" | "uint32" | "int64" | "uint64";
export type TensorData = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

export class Tensor {
  /** `data` row by row. A typed array of the right type is kept, not copied. */
  constructor(type: TensorType, data: TensorData | readonly (number | bigint)[], dims?: readonly number[]);
  type: TensorType;
  /** Row by row. Of results: the library's own memory, not a copy. */
  data: any;
  dims: number[];
  readonly size: number;
  /** Row i, without a copy. */
  [row: number]: Tensor;
  [Symbol.iterator](): IterableIterator<any>;
  tolist(): any[];
  item(): number | bigint;
  clone(): Tensor;
  to(type: TensorType): Tensor;
  view(...dims: number[]): Tensor;
  reshape(...dims: number[]): Tensor;
  squeeze(dim?: number | null): Tensor;
  unsqueeze(dim?: number): Tensor;
  transpose(...dims: number[]): Tensor;
  permute(...dims: number[]): Tensor;
  /** For each dimension: null for all of it, an index, or [begin, end). */
  slice(...ranges: (number | [number, number] | null)[]): Tensor;
  normalize(p?: number, dim?: number): Tensor;
  normalize_(p?: number, dim?: number): this;
  mean(dim?: number | null, keepdim?: boolean): Tensor;
  dispose(): void;
}

export interface TokenizerOptions {
  padding?: boolean | "max_length";
  /** A text that is cut keeps its EOS, which it loses in Transformers.js. */
  truncation?: boolean | null;
  max_length?: number | null;
  add_special_tokens?: boolean;
  return_tensor?: boolean;
}

export interface Encoded {
  /** int64 [texts, tokens] */
  input_ids: Tensor;
  /** int64 [texts, tokens]: 1 where a token is, 0 where padding is */
  attention_mask: Tensor;
}

export interface Tokenizer {
  (text: string | readonly string[], options?: TokenizerOptions & { return_tensor?: true }): Encoded;
  (text: string, options: TokenizerOptions & { return_tensor: false }): { input_ids: number[]; attention_mask: number[] };
  (text: readonly string[], options: TokenizerOptions & { return_tensor: false }): { input_ids: number[][]; attention_mask: number[][] };
  encode(text: string, options?: { add_special_tokens?: boolean }): number[];
  tokenize(text: string, options?: { add_special_tokens?: boolean }): string[];
  decode(ids: readonly (number | bigint)[] | Tensor, options?: { skip_special_tokens?: boolean }): string;
  batch_decode(batch: readonly (readonly (number | bigint)[])[] | Tensor, options?: { skip_special_tokens?: boolean }): string[];
  padding_side: "right" | "left";
  readonly model_max_length: number;
  readonly vocab_size: number;
  readonly pad_token_id: number;
  readonly eos_token_id: number;
  readonly bos_token_id: number;
}

export interface PretrainedOptions {
  /**
   * "fp32" (the default) gives the numbers of the ONNX release's fp32 file: weights rounded to bf16, fp32 arithmetic.
   * "q8", "int8", "uint8": gemvec's q8. "q4", "q4f16", "bnb4": gemvec's q4. "bf16". "fp16" is refused: it overflows.
   */
  dtype?: string | Record<string, string>;
  progress_callback?: (progress: { status: string; [key: string]: unknown }) => void;
  threads?: number;
  cacheDir?: string;
  signal?: AbortSignal;
  /** device, session_options, local_files_only, ...: let pass. */
  [other: string]: unknown;
}

export interface Model {
  (
    inputs: { input_ids: Tensor | number[][]; attention_mask?: Tensor | number[][] },
    options?: { signal?: AbortSignal },
  ): Promise<{
    /** float32 [texts, tokens, 768], final norm applied; zeros where padding is */
    last_hidden_state: Tensor;
    /** float32 [texts, 768], unit length */
    sentence_embedding: Tensor;
  }>;
  readonly info: ModelInfo;
  dispose(): Promise<void>;
}

export const AutoTokenizer: { from_pretrained(model?: string, options?: PretrainedOptions): Promise<Tokenizer> };
export const AutoModel: { from_pretrained(model?: string, options?: PretrainedOptions): Promise<Model> };

export interface FeatureExtractionOptions {
  /**
   * "sentence" is the model's own embedding. "mean" is what Transformers.js gives for it: the mean of the hidden
   * states, without the dense layers that the release has behind it, so nothing like the release's vectors.
   */
  pooling?: "none" | "mean" | "cls" | "first_token" | "last_token" | "eos" | "sentence";
  normalize?: boolean;
  quantize?: boolean;
  precision?: "binary" | "ubinary";
  signal?: AbortSignal;
}

export interface FeatureExtraction {
  (texts: string | readonly string[], options?: FeatureExtractionOptions): Promise<Tensor>;
  readonly tokenizer: Tokenizer;
  readonly model: Model;
  dispose(): Promise<void>;
}

export function pipeline(task: "feature-extraction", model?: string, options?: PretrainedOptions): Promise<FeatureExtraction>;

/** The product of [m, k] and [k, n]. */
export function matmul(a: Tensor, b: Tensor): Promise<Tensor>;
/** The mean of hidden states [texts, tokens, width] over the tokens where the mask [texts, tokens] is 1. */
export function mean_pooling(last_hidden_state: Tensor, attention_mask: Tensor): Tensor;
export function cos_sim(a: ArrayLike<number>, b: ArrayLike<number>): number;
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number;
/** Scripts for Transformers.js set members of it. gemvec looks at none. */
export const env: Record<string, unknown>;
