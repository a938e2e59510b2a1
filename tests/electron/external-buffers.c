/* Node-API as in Electron: no buffer over foreign memory. Says so, for nobody may even ask. */
#include <stdio.h>

int quir_create_external_arraybuffer(void) {
  fputs("an external buffer was asked for\n", stderr);
  return 22; /* napi_no_external_buffers_allowed */
}

int quir_create_external_buffer(void) { return quir_create_external_arraybuffer(); }
