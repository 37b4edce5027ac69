// The hla dialect, for any tool of MLIR's: mlir-opt --irdl-file=hla.irdl.mlir model.mlir
//
// It checks operands, results and attributes as far as IRDL can say them: that operands are
// tensors, how many there are, and the kinds of attributes. Shapes, element types and values are
// checked by hlac, whose op table says what each op computes. hlac writes every attribute; where it
// reads, those with a default may be absent.
irdl.dialect @hla {
  // w -> {-a, 0, +a} with |w| > threshold, a = 1/sqrt(non-zeros) per slice along `axis`.
  irdl.operation @ternarize {
    %tensor = irdl.base "!builtin.tensor"
    irdl.operands(weight: %tensor)
    irdl.results(output: %tensor)
    %threshold = irdl.base "#builtin.float"
    %axis = irdl.base "#builtin.integer"
    irdl.attributes { "axis" = %axis, "threshold" = %threshold }
  }

  // Convolution with ternary OHWI weights (i8), per-channel scale and bias, residual and clamp.
  irdl.operation @ternary_conv2d {
    %input = irdl.base "!builtin.tensor"
    %weight = irdl.base "!builtin.tensor"
    %scale = irdl.base "!builtin.tensor"
    %bias = irdl.base "!builtin.tensor"
    %residual = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(input: %input, weight: %weight, scale: %scale, bias: %bias, residual: optional %residual)
    irdl.results(output: %output)
    %array0 = irdl.base "#builtin.dense_array"
    %array1 = irdl.base "#builtin.dense_array"
    %array2 = irdl.base "#builtin.dense_array"
    %float0 = irdl.base "#builtin.float"
    %float1 = irdl.base "#builtin.float"
    %float2 = irdl.base "#builtin.float"
    irdl.attributes { "dilation" = %array0, "max_val" = %float0, "min_val" = %float1, "pad" = %array1, "residual_scale" = %float2, "stride" = %array2 }
  }

  // Product with the transpose of ternary [W, C] weights (i8), epilogue as above.
  irdl.operation @ternary_matmul {
    %input = irdl.base "!builtin.tensor"
    %weight = irdl.base "!builtin.tensor"
    %scale = irdl.base "!builtin.tensor"
    %bias = irdl.base "!builtin.tensor"
    %residual = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(input: %input, weight: %weight, scale: %scale, bias: %bias, residual: optional %residual)
    irdl.results(output: %output)
    %float0 = irdl.base "#builtin.float"
    %float1 = irdl.base "#builtin.float"
    %float2 = irdl.base "#builtin.float"
    irdl.attributes { "max_val" = %float0, "min_val" = %float1, "residual_scale" = %float2 }
  }

  // Ternary i8 -> 2-bit codes, four a byte, first in the low bits: 00 = 0, 01 = +1, 10 = -1.
  irdl.operation @pack {
    %values = irdl.base "!builtin.tensor"
    %packed = irdl.base "!builtin.tensor"
    irdl.operands(values: %values)
    irdl.results(packed: %packed)
    %version = irdl.base "#builtin.integer"
    irdl.attributes { "layout_version" = %version }
  }

  // The inverse of hla.pack.
  irdl.operation @unpack {
    %packed = irdl.base "!builtin.tensor"
    %values = irdl.base "!builtin.tensor"
    irdl.operands(packed: %packed)
    irdl.results(values: %values)
    %version = irdl.base "#builtin.integer"
    %shape = irdl.base "#builtin.dense_array"
    irdl.attributes { "layout_version" = %version, "shape" = %shape }
  }

  // f32 -> i8: saturate(round_even(x * (1/scale)), -127, 127).
  irdl.operation @quantize {
    %input = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(input: %input)
    irdl.results(output: %output)
    %scale = irdl.base "#builtin.float"
    irdl.attributes { "scale" = %scale }
  }

  // i8 -> f32: q * scale.
  irdl.operation @dequantize {
    %input = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(input: %input)
    irdl.results(output: %output)
    %scale = irdl.base "#builtin.float"
    irdl.attributes { "scale" = %scale }
  }

  // hla.quantize with scale = max|x|/127 measured at run time, which is the second result.
  irdl.operation @dynamic_quantize {
    %input = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    %scale = irdl.base "!builtin.tensor"
    irdl.operands(input: %input)
    irdl.results(output: %output, scale: %scale)
  }

  // The input itself, in the layout that the attribute hla.layout names.
  irdl.operation @relayout {
    %tensor = irdl.base "!builtin.tensor"
    irdl.operands(input: %tensor)
    irdl.results(output: %tensor)
  }
}
