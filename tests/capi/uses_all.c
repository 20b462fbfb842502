/* A C11 program that uses all of gemvec/gemvec.h: uses_all MODEL CACHE. Says what failed; 0 if nothing did.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gemvec/gemvec.h"

static int failures = 0;

#define CHECK(condition)                                                                             \
  do {                                                                                               \
    if (!(condition)) {                                                                              \
      printf("%s:%d: %s; gemvec says: %s\n", __FILE__, __LINE__, #condition, gemvec_last_message()); \
      ++failures;                                                                                    \
    }                                                                                                \
  } while (0)

/* What the callbacks were told. */
struct told {
  int loads, logs, asked, answers;
  size_t done, total;
  uint64_t bytes;
};

static void on_load(void* user, const char* stage, uint64_t done, uint64_t total) {
  struct told* told = user;
  CHECK(strlen(stage) > 0);
  CHECK(done <= total);
  ++told->loads;
  told->bytes = done;
}

static void on_log(void* user, int32_t level, const char* message) {
  struct told* told = user;
  CHECK(level == GEMVEC_LOG_INFO || level == GEMVEC_LOG_WARNING);
  CHECK(strlen(message) > 0);
  ++told->logs;
}

static int on_ask(void* user) {
  struct told* told = user;
  ++told->asked;
  return 0;
}

static int on_ask_stop(void* user) {
  (void)user;
  return 1;
}

static void on_progress(void* user, size_t done, size_t total) {
  struct told* told = user;
  ++told->answers;
  told->done = done;
  told->total = total;
}

static gemvec_text text(const char* string) {
  gemvec_text result = {string, strlen(string)};
  return result;
}

static double length_of(const float* vector, size_t dim) {
  double squares = 0;
  for (size_t i = 0; i < dim; ++i) squares += (double)vector[i] * vector[i];
  return sqrt(squares);
}

static void check_library(void) {
  CHECK(gemvec_abi_version() == GEMVEC_ABI_VERSION);
  CHECK(strchr(gemvec_version(), '.') != NULL);
  CHECK(strcmp(gemvec_status_name(GEMVEC_OK), "ok") == 0);
  CHECK(strcmp(gemvec_status_name(GEMVEC_INTERNAL), "internal") == 0);
  CHECK(strcmp(gemvec_status_name(4711), "unknown") == 0);
}

static gemvec_model* load(const char* path, const char* cache, struct told* told) {
  gemvec_load_options options = {.struct_size = sizeof options,
                                 .model = path,
                                 .cache_dir = cache,
                                 .dtype = GEMVEC_DTYPE_BF16,
                                 .compute = GEMVEC_COMPUTE_FP32,
                                 .threads = 2,
                                 .max_memory = (uint64_t)1 << 30,
                                 .progress = on_load,
                                 .log = on_log,
                                 .user = told};
  gemvec_model* model = NULL;
  CHECK(gemvec_model_load(&options, &model) == GEMVEC_OK);
  CHECK(told->loads > 0 && told->bytes > 0);
  CHECK(told->logs > 0); /* that these are not the release's weights */
  options.model = "no/such/model";
  gemvec_model* none = NULL;
  CHECK(gemvec_model_load(&options, &none) == GEMVEC_NOT_FOUND && none == NULL);
  CHECK(strstr(gemvec_last_message(), "no/such/model") != NULL);
  return model;
}

static void check_facts(const gemvec_model* model, const char* path) {
  gemvec_model_info info = {.struct_size = sizeof info};
  CHECK(gemvec_model_get_info(model, &info) == GEMVEC_OK);
  CHECK(strcmp(info.model, path) == 0);
  CHECK(strcmp(info.source_format, "safetensors") == 0 && strcmp(info.source_numbers, "fp32") == 0);
  CHECK(strcmp(info.dtype, "bf16") == 0 && strcmp(info.compute, "fp32") == 0 && strlen(info.isa) > 0);
  CHECK(info.threads == 2 && info.width == GEMVEC_WIDTH && info.max_tokens == GEMVEC_MAX_TOKENS);
  CHECK(info.layers > 0 && info.heads > 0 && info.head_dim > 0 && info.ffn > 0 && info.vocab == 600);
  CHECK(info.source_bytes > 0 && info.packed_bytes > 0);
  CHECK(info.check == GEMVEC_CHECK_DIFFERENT && info.check_max_abs_diff > 0);

  char* found = NULL;
  CHECK(gemvec_find_model(path, &found) == GEMVEC_OK && strcmp(found, path) == 0);
  gemvec_free(found);
  CHECK(gemvec_find_model(NULL, &found) == GEMVEC_OK && strcmp(found, path) == 0); /* GEMVEC_MODEL says so */
  gemvec_free(found);
  CHECK(gemvec_find_model("google/embeddinggemma-300m", &found) == GEMVEC_OK);
  gemvec_free(found);
  CHECK(gemvec_find_model("somebody/something", &found) == GEMVEC_NOT_FOUND);
}

static void check_prompts(const gemvec_model* model) {
  size_t named = 0;
  for (size_t i = 0; i < gemvec_prompt_count(model); ++i) {
    gemvec_text name, prompt;
    CHECK(gemvec_prompt_get(model, i, &name, &prompt) == GEMVEC_OK);
    if (name.size == 3 && memcmp(name.data, "STS", 3) == 0) {
      CHECK(prompt.size == 35 && memcmp(prompt.data, "task: sentence similarity | query: ", 35) == 0);
      ++named;
    }
  }
  CHECK(named == 1);
  CHECK(gemvec_prompt_get(model, 1000, NULL, NULL) == GEMVEC_INVALID_ARGUMENT);
  char* prompt = NULL;
  size_t size = 0;
  CHECK(gemvec_prompt_for(model, text("retrieval-document"), text("Mars"), &prompt, &size) == GEMVEC_OK);
  CHECK(prompt != NULL && size == strlen(prompt) && strcmp(prompt, "title: Mars | text: ") == 0);
  gemvec_free(prompt);
}

static void check_vectors(const gemvec_model* model, struct told* told) {
  const gemvec_text texts[2] = {text("first"), text("and second")};
  gemvec_embed_options options = {.struct_size = sizeof options,
                                  .task = text("retrieval-query"),
                                  .outputs = GEMVEC_OUTPUT_VECTORS | GEMVEC_OUTPUT_TOKENS,
                                  .dim = 256,
                                  .truncate = GEMVEC_TRUNCATE_LEFT,
                                  .control_text = GEMVEC_CONTROL_TEXT,
                                  .max_tokens = 100,
                                  .cancelled = on_ask,
                                  .progress = on_progress,
                                  .user = told};
  gemvec_result* result = NULL;
  CHECK(gemvec_embed(model, texts, 2, &options, &result) == GEMVEC_OK);
  CHECK(told->asked > 0 && told->answers > 0 && told->done == 2 && told->total == 2);
  CHECK(gemvec_result_count(result) == 2 && gemvec_result_dim(result) == 256);
  const float* vectors = gemvec_result_vectors(result);
  CHECK(fabs(length_of(vectors, 256) - 1) < 1e-6 && fabs(length_of(vectors + 256, 256) - 1) < 1e-6);
  const size_t* offsets = gemvec_result_offsets(result);
  const gemvec_text_info* infos = gemvec_result_texts(result);
  CHECK(offsets[0] == 0 && offsets[1] == infos[0].tokens && offsets[2] == gemvec_result_token_rows(result));
  CHECK(gemvec_result_tokens(result) != NULL && length_of(gemvec_result_tokens(result), GEMVEC_WIDTH) > 0);
  CHECK(infos[0].total_tokens == infos[0].tokens && infos[0].truncated == 0 &&
        infos[0].invalid_sequences == 0);
  gemvec_result_free(result);

  options.truncate = GEMVEC_TRUNCATE_ERROR;
  options.max_tokens = 3;
  CHECK(gemvec_embed(model, texts, 2, &options, &result) == GEMVEC_TOO_LONG);
  options.cancelled = on_ask_stop;
  options.max_tokens = 0;
  CHECK(gemvec_embed(model, texts, 2, &options, &result) == GEMVEC_CANCELLED);
  options.cancelled = NULL;
  options.raw = 1;
  options.outputs = 0;
  CHECK(gemvec_embed(model, texts, 2, &options, &result) == GEMVEC_OK);
  CHECK(fabs(length_of(gemvec_result_vectors(result), 256) - 1) > 1e-3);
  CHECK(gemvec_result_tokens(result) == NULL && gemvec_result_offsets(result) == NULL);
  gemvec_result_free(result);
}

/* One text by its ids, alone and in a rectangle, is the text. */
static void check_ids(const gemvec_model* model) {
  const gemvec_tokenizer* tokenizer = gemvec_model_tokenizer(model);
  const gemvec_text texts[2] = {text("a"), text("a longer one")};
  gemvec_tokens* tokens = NULL;
  CHECK(gemvec_tokenize(tokenizer, texts, 2, NULL, &tokens) == GEMVEC_OK);
  CHECK(gemvec_tokens_count(tokens) == 2);
  const size_t width = gemvec_tokens_longest(tokens) + 1;
  int64_t* ids = calloc(2 * width, sizeof *ids);
  int64_t* mask = calloc(2 * width, sizeof *mask);
  CHECK(gemvec_tokens_pad(tokens, width, 1, ids, mask) == GEMVEC_OK);
  CHECK(gemvec_tokens_pad(tokens, width - 2, 0, ids, mask) == GEMVEC_INVALID_ARGUMENT);
  const gemvec_ids lists[2] = {gemvec_tokens_ids(tokens, 0), gemvec_tokens_ids(tokens, 1)};

  gemvec_result *by_text = NULL, *by_ids = NULL, *padded = NULL;
  CHECK(gemvec_embed(model, texts, 2, NULL, &by_text) == GEMVEC_OK);
  CHECK(gemvec_embed_ids(model, lists, 2, NULL, &by_ids) == GEMVEC_OK);
  CHECK(gemvec_embed_padded(model, ids, mask, 2, width, NULL, &padded) == GEMVEC_OK);
  const size_t bytes = 2 * GEMVEC_WIDTH * sizeof(float);
  CHECK(memcmp(gemvec_result_vectors(by_text), gemvec_result_vectors(by_ids), bytes) == 0);
  CHECK(memcmp(gemvec_result_vectors(by_text), gemvec_result_vectors(padded), bytes) == 0);

  float all[4], pairs[2];
  const float* a = gemvec_result_vectors(by_text);
  const float* b = gemvec_result_vectors(padded);
  for (int32_t kind = GEMVEC_COSINE; kind <= GEMVEC_MANHATTAN; ++kind) {
    CHECK(gemvec_similarity(kind, a, 2, b, 2, GEMVEC_WIDTH, all) == GEMVEC_OK);
    CHECK(gemvec_similarity_pairwise(kind, a, b, 2, GEMVEC_WIDTH, pairs) == GEMVEC_OK);
    CHECK(all[0] == pairs[0] && all[3] == pairs[1] && all[1] == all[2] && all[1] < all[0]);
  }
  memset(mask, 0, width * sizeof *mask);
  gemvec_result* none = NULL;
  CHECK(gemvec_embed_padded(model, ids, mask, 2, width, NULL, &none) == GEMVEC_INVALID_ARGUMENT &&
        none == NULL);
  gemvec_result_free(by_text);
  gemvec_result_free(by_ids);
  gemvec_result_free(padded);
  gemvec_tokens_free(tokens);
  free(ids);
  free(mask);
}

static void check_tokenizer(const char* path, const char* cache) {
  gemvec_tokenizer* tokenizer = NULL;
  CHECK(gemvec_tokenizer_load(path, cache, &tokenizer) == GEMVEC_OK);
  CHECK(gemvec_vocab_size(tokenizer) == 600);
  CHECK(gemvec_special_id(tokenizer, GEMVEC_PAD) == 0 && gemvec_special_id(tokenizer, GEMVEC_EOS) == 1 &&
        gemvec_special_id(tokenizer, GEMVEC_BOS) == 2 && gemvec_special_id(tokenizer, 9) == -1);
  CHECK(gemvec_is_special(tokenizer, 2) == 1 && gemvec_is_special(tokenizer, 300) == 0);
  const gemvec_text piece = gemvec_piece(tokenizer, 2);
  CHECK(piece.size == 5 && memcmp(piece.data, "<bos>", 5) == 0);
  CHECK(gemvec_piece(tokenizer, 4711).data == NULL);

  const gemvec_text one = text("some text");
  gemvec_tokenize_options options = {.struct_size = sizeof options, .prompt = text("p: "), .byte_ranges = 1};
  gemvec_tokens* tokens = NULL;
  CHECK(gemvec_tokenize(tokenizer, &one, 1, &options, &tokens) == GEMVEC_OK);
  const gemvec_ids ids = gemvec_tokens_ids(tokens, 0);
  const gemvec_byte_range* ranges = gemvec_tokens_ranges(tokens, 0);
  CHECK(ids.size == gemvec_tokens_longest(tokens) && ids.data[0] == 2 && ids.data[ids.size - 1] == 1);
  CHECK(ranges[0].begin == 0 && ranges[0].end == 0 && ranges[ids.size - 1].begin == 12);
  CHECK(gemvec_tokens_texts(tokens)[0].tokens == ids.size);
  char* decoded = NULL;
  size_t size = 0;
  CHECK(gemvec_decode(tokenizer, ids, 1, &decoded, &size) == GEMVEC_OK);
  CHECK(decoded != NULL && size == 12 && strcmp(decoded, "p: some text") == 0);
  gemvec_free(decoded);
  gemvec_tokens_free(tokens);

  options.max_tokens = 3;
  options.truncate = GEMVEC_TRUNCATE_ERROR;
  CHECK(gemvec_tokenize(tokenizer, &one, 1, &options, &tokens) == GEMVEC_TOO_LONG);
  options.truncate = GEMVEC_TRUNCATE_RIGHT;
  options.no_bos_eos = 1;
  options.byte_ranges = 0;
  options.control_text = GEMVEC_CONTROL_PARSE;
  CHECK(gemvec_tokenize(tokenizer, &one, 1, &options, &tokens) == GEMVEC_OK);
  CHECK(gemvec_tokens_ids(tokens, 0).size == 3 && gemvec_tokens_texts(tokens)[0].truncated == 1);
  CHECK(gemvec_tokens_ranges(tokens, 0) == NULL);
  gemvec_tokens_free(tokens);
  gemvec_tokenizer_free(tokenizer);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  struct told told = {0};
  check_library();
  gemvec_model* model = load(argv[1], argv[2], &told);
  if (model != NULL) {
    check_facts(model, argv[1]);
    check_prompts(model);
    check_vectors(model, &told);
    check_ids(model);
  }
  gemvec_model_free(model);
  check_tokenizer(argv[1], argv[2]);
  printf("%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
