#include "model.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "arrays.h"
#include "errors.h"
#include "tokenizer.h"

namespace gemvec_python {

namespace {

using Handle = std::shared_ptr<gemvec_model>;

// What callbacks of a call need. The interpreter's lock is not held between them.
struct Watch {
  nb::object progress;                       // called with (done, total); or None
  std::optional<nb::python_error> raised{};  // by it, or by a signal's handler: KeyboardInterrupt
};

// Ends the call if a signal's handler raised, as Ctrl-C's does. Python looks at signals on its main thread
// only.
int interrupted(void* user) {
  auto* watch = static_cast<Watch*>(user);
  const nb::gil_scoped_acquire acquire;
  if (!watch->raised && PyErr_CheckSignals() != 0) watch->raised.emplace();
  return watch->raised ? 1 : 0;
}

void report(void* user, size_t done, size_t total) {
  auto* watch = static_cast<Watch*>(user);
  const nb::gil_scoped_acquire acquire;
  if (watch->raised) return;
  try {
    watch->progress(done, total);
  } catch (nb::python_error& error) {
    watch->raised.emplace(std::move(error));
  }
}

void note(void* user, int32_t level, const char* message) {
  const nb::gil_scoped_acquire acquire;
  try {
    (*static_cast<nb::object*>(user))(level, message);
  } catch (nb::python_error& error) {
    error.discard_as_unraisable("gemvec's log");
  }
}

class Model {
 public:
  Model(const std::string& path, int32_t dtype, int32_t compute, uint32_t threads, bool exact,
        bool allow_headless, const std::optional<std::string>& cache_dir, bool use_cache, bool self_check,
        uint64_t max_memory, nb::object log) {
    gemvec_load_options options{};
    options.struct_size = sizeof options;
    options.model = path.c_str();
    options.cache_dir = cache_dir ? cache_dir->c_str() : nullptr;
    options.dtype = dtype;
    options.compute = compute;
    options.threads = threads;
    options.exact = exact ? 1 : 0;
    options.allow_headless = allow_headless ? 1 : 0;
    options.no_cache = use_cache ? 0 : 1;
    options.skip_self_check = self_check ? 0 : 1;
    options.max_memory = max_memory;
    options.log = log.is_none() ? nullptr : &note;
    options.user = &log;
    gemvec_model* model = nullptr;
    gemvec_status status = GEMVEC_OK;
    {
      const nb::gil_scoped_release release;
      status = gemvec_model_load(&options, &model);
    }
    check(status);
    model_ = Handle(model, [](gemvec_model* gone) { gemvec_model_free(gone); });
  }

  // Calls that run keep the model until they end.
  void close() {
    const Handle gone = std::exchange(model_, {});
    const nb::gil_scoped_release release;
  }
  [[nodiscard]] bool closed() const { return model_ == nullptr; }

  [[nodiscard]] nb::dict info() const {
    gemvec_model_info info{};
    info.struct_size = sizeof info;
    const Handle model = open();
    check(gemvec_model_get_info(model.get(), &info));
    static const char* const checks[] = {"not run", "release", "different", "unpromised"};
    nb::dict facts;
    facts["model"] = info.model;
    facts["source_format"] = info.source_format;
    facts["source_numbers"] = info.source_numbers;
    facts["dtype"] = info.dtype;
    facts["compute"] = info.compute;
    facts["isa"] = info.isa;
    facts["threads"] = info.threads;
    facts["check"] = checks[info.check];
    facts["check_max_abs_diff"] = info.check_max_abs_diff;
    facts["layers"] = info.layers;
    facts["width"] = info.width;
    facts["vocab"] = info.vocab;
    facts["max_tokens"] = info.max_tokens;
    facts["source_bytes"] = info.source_bytes;
    facts["packed_bytes"] = info.packed_bytes;
    facts["workspace_bytes"] = info.workspace_bytes;
    facts["packed_from_cache"] = info.packed_from_cache != 0;
    return facts;
  }

  [[nodiscard]] nb::dict prompts() const {
    const Handle model = open();
    nb::dict prompts;
    for (size_t i = 0; i < gemvec_prompt_count(model.get()); ++i) {
      gemvec_text name{};
      gemvec_text prompt{};
      check(gemvec_prompt_get(model.get(), i, &name, &prompt));
      prompts[nb::str(name.data, name.size)] = nb::str(prompt.data, prompt.size);
    }
    return prompts;
  }

  [[nodiscard]] nb::str prompt_for(nb::str task, nb::object title) const {
    const Handle model = open();
    const gemvec_text no_title{};
    char* prompt = nullptr;
    size_t size = 0;
    check(gemvec_prompt_for(model.get(), text_of(task, "task"),
                            title.is_none() ? no_title : text_of(title, "title"), &prompt, &size));
    nb::str result(prompt, size);
    gemvec_free(prompt);
    return result;
  }

  [[nodiscard]] TokenizerObject tokenizer() const {
    const Handle model = open();
    return {Tokenizer(model, gemvec_model_tokenizer(model.get()))};
  }

  nb::tuple embed(nb::sequence texts, nb::str prompt, uint32_t outputs, uint32_t dim, bool normalize,
                  uint32_t max_tokens, int32_t truncate, bool parse_control, nb::object progress) const {
    const Handle model = open();
    const Texts views(texts);
    Watch watch{std::move(progress)};
    gemvec_embed_options options = options_of(outputs, dim, normalize, watch);
    options.prompt = text_of(prompt, "prompt");
    options.max_tokens = max_tokens;
    options.truncate = truncate;
    options.control_text = parse_control ? GEMVEC_CONTROL_PARSE : GEMVEC_CONTROL_TEXT;
    gemvec_result* out = nullptr;
    gemvec_status status = GEMVEC_OK;
    {
      const nb::gil_scoped_release release;
      status = gemvec_embed(model.get(), views.data(), views.size(), &options, &out);
    }
    return finish(status, out, watch);
  }

  nb::tuple embed_padded(const Int64Matrix& ids, const Int64Matrix& mask, uint32_t outputs, uint32_t dim,
                         bool normalize) const {
    const Handle model = open();
    Watch watch{nb::none()};
    const gemvec_embed_options options = options_of(outputs, dim, normalize, watch);
    gemvec_result* out = nullptr;
    gemvec_status status = GEMVEC_OK;
    {
      const nb::gil_scoped_release release;
      status = gemvec_embed_padded(model.get(), ids.data(), mask.data(), ids.shape(0), ids.shape(1), &options,
                                   &out);
    }
    return finish(status, out, watch);
  }

 private:
  [[nodiscard]] Handle open() const {
    if (model_ == nullptr) throw nb::value_error("The model has been closed.");
    return model_;
  }

  static gemvec_embed_options options_of(uint32_t outputs, uint32_t dim, bool normalize, Watch& watch) {
    gemvec_embed_options options{};
    options.struct_size = sizeof options;
    options.outputs = outputs;
    options.dim = dim;
    options.raw = normalize ? 0 : 1;
    options.cancelled = &interrupted;
    options.progress = watch.progress.is_none() ? nullptr : &report;
    options.user = &watch;
    return options;
  }

  static nb::tuple finish(gemvec_status status, gemvec_result* out, Watch& watch) {
    const Result result(out, [](gemvec_result* gone) { gemvec_result_free(gone); });
    if (watch.raised) throw std::move(*watch.raised);
    check(status);
    return arrays_of(result);
  }

  Handle model_;
};

}  // namespace

void define_model(nb::module_& module) {
  nb::class_<Model>(module, "Model")
      .def(nb::init<const std::string&, int32_t, int32_t, uint32_t, bool, bool,
                    const std::optional<std::string>&, bool, bool, uint64_t, nb::object>(),
           nb::arg("path"), nb::arg("dtype"), nb::arg("compute"), nb::arg("threads"), nb::arg("exact"),
           nb::arg("allow_headless"), nb::arg("cache_dir").none(), nb::arg("use_cache"),
           nb::arg("self_check"), nb::arg("max_memory"), nb::arg("log").none())
      .def("close", &Model::close)
      .def_prop_ro("closed", &Model::closed)
      .def("info", &Model::info)
      .def("prompts", &Model::prompts)
      .def("prompt_for", &Model::prompt_for, nb::arg("task"), nb::arg("title").none())
      .def("tokenizer", &Model::tokenizer)
      .def("embed", &Model::embed, nb::arg("texts"), nb::arg("prompt"), nb::arg("outputs"), nb::arg("dim"),
           nb::arg("normalize"), nb::arg("max_tokens"), nb::arg("truncate"), nb::arg("parse_control"),
           nb::arg("progress").none())
      .def("embed_padded", &Model::embed_padded, nb::arg("ids"), nb::arg("mask"), nb::arg("outputs"),
           nb::arg("dim"), nb::arg("normalize"));
}

}  // namespace gemvec_python
