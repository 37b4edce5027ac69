#!/usr/bin/env bash
# Compiles the digits model for x86-64 and aarch64, links main.c with each, runs both.
#   ./build.sh [OUTPUT-DIRECTORY] [more options for hlac compile …]
# Needs hlac (in PATH, or $HLAC), gcc, aarch64-linux-gnu-gcc and qemu-aarch64-static; `./x build`
# at the top of the project makes the first and installs the others.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
digits=$here/../digits
out=${1:-$here/out}
shift || true
hlac=${HLAC:-hlac}

for target in x86_64 aarch64; do
    mkdir -p "$out/$target"
    "$hlac" compile "$digits/cnn.mlir" --weights "$digits/cnn.safetensors" \
        --target "$target" --emit obj,header -o "$out/$target/cnn.o" "$@"
    undefined=$(nm -u "$out/$target/cnn.o")
    [ -z "$undefined" ] || { echo "the object needs other symbols: $undefined" >&2; exit 1; }
done

flags=(-O2 -std=c11 -Wall -Wextra -Werror)
gcc "${flags[@]}" -I"$out/x86_64" "$here/main.c" "$out/x86_64/cnn.o" -o "$out/x86_64/digits" -pthread
aarch64-linux-gnu-gcc "${flags[@]}" -static -I"$out/aarch64" "$here/main.c" "$out/aarch64/cnn.o" \
    -o "$out/aarch64/digits" -pthread

for threads in 1 3; do
    echo -n "x86-64,  $threads thread(s): "
    "$out/x86_64/digits" "$digits/test-images.npy" "$digits/test-labels.npy" --threads $threads \
        --logits "$out/x86_64/logits.$threads"
    echo -n "aarch64, $threads thread(s): "
    qemu-aarch64-static "$out/aarch64/digits" "$digits/test-images.npy" "$digits/test-labels.npy" \
        --threads $threads --logits "$out/aarch64/logits.$threads"
done
for file in x86_64/logits.3 aarch64/logits.1 aarch64/logits.3; do
    cmp "$out/x86_64/logits.1" "$out/$file"
done
echo "all logits have the same bits"
