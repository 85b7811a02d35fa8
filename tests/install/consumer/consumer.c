/* The smallest host: the installed header and the installed library agree on the ABI. */
#include <llmrt.h>

int main(void) { return llmrt_abi_version() == LLMRT_ABI_VERSION ? 0 : 1; }
