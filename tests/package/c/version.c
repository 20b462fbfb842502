/* The library that was found is the one that this was compiled for, and says what is wrong. */
#include <gemvec/gemvec.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  gemvec_model* model = NULL;
  gemvec_load_options options = {.struct_size = sizeof options, .model = "no/such/model"};
  const gemvec_status status = gemvec_model_load(&options, &model);
  printf("gemvec %s: %s\n", gemvec_version(), gemvec_last_message());
  return gemvec_abi_version() == GEMVEC_ABI_VERSION && status == GEMVEC_NOT_FOUND &&
                 strstr(gemvec_last_message(), "no/such/model") != NULL
             ? 0
             : 1;
}
