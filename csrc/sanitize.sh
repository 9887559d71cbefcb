#!/usr/bin/env bash
# The C of fastsim under the address and undefined-behaviour sanitizers: first by itself, then below the Python tests.
#   bash csrc/sanitize.sh [python]      needs GCC or Clang on Linux; about a minute
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
cc=${CC:-gcc}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

flags=(-std=c11 -O1 -g -fPIC -ffp-contract=off -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all)
avx2=(-mavx2 -mfma -mf16c)
avx512=(-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512vpopcntdq -mfma -mf16c)
[[ $(uname -m) == x86_64 ]] || avx2=() avx512=()
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')

for source in csrc/*.c; do
  wide=()
  [[ $source == */*_avx2.c ]] && wide=("${avx2[@]}")
  [[ $source == */*_avx512.c ]] && wide=("${avx512[@]}")
  "$cc" "${flags[@]}" "${wide[@]}" -DPy_LIMITED_API=0x030B0000 -isystem "$include" -c "$source" -o "$folder/$(basename "$source" .c).o"
done
core=("$folder"/{rows,scan,keepers,nearest,headers,union_find,transform,align,blocks,features,cpu_features}.o "$folder"/{tile,match}_{dispatch,serial,avx2,avx512,neon}.o)

"$cc" "${flags[@]}" "$folder/check.o" "${core[@]}" -lm -o "$folder/check"
"$folder/check"

cp -r fastsim tests pyproject.toml "$folder"
"$cc" "${flags[@]}" -shared "$folder/module.o" "${core[@]}" -lm -o "$folder/fastsim/_core.abi3.so"
cd "$folder"
ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$("$cc" -print-file-name=libasan.so) $("$cc" -print-file-name=libubsan.so)" \
  "$python" -m pytest -q -p no:cacheprovider --hypothesis-seed=0 tests/unit/test_tile.py tests/unit/test_union_find.py \
  tests/unit/test_group.py tests/unit/test_nearest.py tests/unit/test_headers.py tests/unit/test_match.py tests/unit/test_transform.py tests/unit/test_blocks.py tests/unit/test_features.py -k "not every_kernel_gives and not workers"
