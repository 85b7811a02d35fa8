#!/bin/sh
# compile_kernel.sh REPORT COMMAND...: runs a compiler of kernels, keeps what it says about resources in REPORT, and shows
# the rest. Fails where the compiler does and where a kernel spills registers.
report=$1
shift
"$@" 2>"$report"
status=$?
grep -vE "^ptxas info|^ +[0-9]+ bytes stack frame" "$report" >&2
if [ $status -eq 0 ] && grep -qE "[1-9][0-9]* bytes spill" "$report"; then
  echo "$report: a kernel spills registers" >&2
  status=1
fi
[ $status -eq 0 ] || rm -f "$report"
exit $status
