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

  // w -> w/sqrt(sum(w*w) + epsilon) per slice along `axis`.
  irdl.operation @normalize {
    %weight = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(weight: %weight)
    irdl.results(output: %output)
    %axis_attr = irdl.base "#builtin.integer"
    %epsilon_attr = irdl.base "#builtin.float"
    irdl.attributes { "axis" = %axis_attr, "epsilon" = %epsilon_attr }
  }

  // The floor(share*n)-th smallest of the n magnitudes |weight|.
  irdl.operation @threshold {
    %weight = irdl.base "!builtin.tensor"
    %share = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(weight: %weight, share: %share)
    irdl.results(output: %output)
  }

  // hla.ternarize with a threshold tensor and a straight-through gradient.
  irdl.operation @ste_ternarize {
    %weight = irdl.base "!builtin.tensor"
    %threshold = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(weight: %weight, threshold: %threshold)
    irdl.results(output: %output)
    %axis_attr = irdl.base "#builtin.integer"
    %rescale_attr = irdl.base "#builtin.string"
    %threshold_gradient_attr = irdl.base "#builtin.string"
    irdl.attributes { "axis" = %axis_attr, "rescale" = %rescale_attr, "threshold_gradient" = %threshold_gradient_attr }
  }

  // The value; its gradient also goes to the latent, times the slope.
  irdl.operation @straight_through {
    %latent = irdl.base "!builtin.tensor"
    %value = irdl.base "!builtin.tensor"
    %slope = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(latent: %latent, value: %value, slope: optional %slope)
    irdl.results(output: %output)
  }

  // The input; no gradient passes.
  irdl.operation @stop_gradient {
    %input = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(input: %input)
    irdl.results(output: %output)
  }

  // Mean over columns of (w . Ternary(w, threshold) - 1)^2.
  irdl.operation @loss_aware {
    %weight = irdl.base "!builtin.tensor"
    %threshold = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(weight: %weight, threshold: %threshold)
    irdl.results(output: %output)
    %axis_attr = irdl.base "#builtin.integer"
    irdl.attributes { "axis" = %axis_attr }
  }

  // Mean cross-entropy of softmax(logits) and integer labels.
  irdl.operation @softmax_cross_entropy {
    %logits = irdl.base "!builtin.tensor"
    %labels = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(logits: %logits, labels: %labels)
    irdl.results(output: %output)
    %label_smoothing_attr = irdl.base "#builtin.float"
    irdl.attributes { "label_smoothing" = %label_smoothing_attr }
  }

  // Batch norm with the batch's statistics over all axes but the last.
  irdl.operation @batch_norm {
    %input = irdl.base "!builtin.tensor"
    %scale = irdl.base "!builtin.tensor"
    %offset = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    %mean = irdl.base "!builtin.tensor"
    %variance = irdl.base "!builtin.tensor"
    irdl.operands(input: %input, scale: %scale, offset: %offset)
    irdl.results(output: %output, mean: %mean, variance: %variance)
    %epsilon_attr = irdl.base "#builtin.float"
    irdl.attributes { "epsilon" = %epsilon_attr }
  }

  // g += weight_decay*p; m = mu*m + g; p -= learning_rate*m.
  irdl.operation @sgd_update {
    %parameter = irdl.base "!builtin.tensor"
    %gradient = irdl.base "!builtin.tensor"
    %momentum = irdl.base "!builtin.tensor"
    %learning_rate = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    %new_momentum = irdl.base "!builtin.tensor"
    irdl.operands(parameter: %parameter, gradient: %gradient, momentum: %momentum, learning_rate: %learning_rate)
    irdl.results(output: %output, new_momentum: %new_momentum)
    %mu_attr = irdl.base "#builtin.float"
    %nesterov_attr = irdl.base "#builtin.integer"
    %weight_decay_attr = irdl.base "#builtin.float"
    irdl.attributes { "mu" = %mu_attr, "nesterov" = %nesterov_attr, "weight_decay" = %weight_decay_attr }
  }

  // Gradient of tosa.conv2d by its input.
  irdl.operation @conv2d_input_grad {
    %gradient = irdl.base "!builtin.tensor"
    %weight = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(gradient: %gradient, weight: %weight)
    irdl.results(output: %output)
    %dilation_attr = irdl.base "#builtin.dense_array"
    %input_shape_attr = irdl.base "#builtin.dense_array"
    %pad_attr = irdl.base "#builtin.dense_array"
    %stride_attr = irdl.base "#builtin.dense_array"
    irdl.attributes { "dilation" = %dilation_attr, "input_shape" = %input_shape_attr, "pad" = %pad_attr, "stride" = %stride_attr }
  }

  // Gradient of tosa.conv2d by its weight.
  irdl.operation @conv2d_weight_grad {
    %input = irdl.base "!builtin.tensor"
    %gradient = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(input: %input, gradient: %gradient)
    irdl.results(output: %output)
    %dilation_attr = irdl.base "#builtin.dense_array"
    %kernel_attr = irdl.base "#builtin.dense_array"
    %pad_attr = irdl.base "#builtin.dense_array"
    %stride_attr = irdl.base "#builtin.dense_array"
    irdl.attributes { "dilation" = %dilation_attr, "kernel" = %kernel_attr, "pad" = %pad_attr, "stride" = %stride_attr }
  }

  // Gradient of tosa.depthwise_conv2d by its input.
  irdl.operation @depthwise_conv2d_input_grad {
    %gradient = irdl.base "!builtin.tensor"
    %weight = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(gradient: %gradient, weight: %weight)
    irdl.results(output: %output)
    %dilation_attr = irdl.base "#builtin.dense_array"
    %input_shape_attr = irdl.base "#builtin.dense_array"
    %pad_attr = irdl.base "#builtin.dense_array"
    %stride_attr = irdl.base "#builtin.dense_array"
    irdl.attributes { "dilation" = %dilation_attr, "input_shape" = %input_shape_attr, "pad" = %pad_attr, "stride" = %stride_attr }
  }

  // Gradient of tosa.depthwise_conv2d by its weight.
  irdl.operation @depthwise_conv2d_weight_grad {
    %input = irdl.base "!builtin.tensor"
    %gradient = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(input: %input, gradient: %gradient)
    irdl.results(output: %output)
    %dilation_attr = irdl.base "#builtin.dense_array"
    %kernel_attr = irdl.base "#builtin.dense_array"
    %pad_attr = irdl.base "#builtin.dense_array"
    %stride_attr = irdl.base "#builtin.dense_array"
    irdl.attributes { "dilation" = %dilation_attr, "kernel" = %kernel_attr, "pad" = %pad_attr, "stride" = %stride_attr }
  }

  // Gradient of tosa.max_pool2d: to the first maximum of each window.
  irdl.operation @max_pool2d_grad {
    %input = irdl.base "!builtin.tensor"
    %gradient = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(input: %input, gradient: %gradient)
    irdl.results(output: %output)
    %kernel_attr = irdl.base "#builtin.dense_array"
    %pad_attr = irdl.base "#builtin.dense_array"
    %stride_attr = irdl.base "#builtin.dense_array"
    irdl.attributes { "kernel" = %kernel_attr, "pad" = %pad_attr, "stride" = %stride_attr }
  }

  // Gradient of tosa.avg_pool2d.
  irdl.operation @avg_pool2d_grad {
    %gradient = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(gradient: %gradient)
    irdl.results(output: %output)
    %input_shape_attr = irdl.base "#builtin.dense_array"
    %kernel_attr = irdl.base "#builtin.dense_array"
    %pad_attr = irdl.base "#builtin.dense_array"
    %stride_attr = irdl.base "#builtin.dense_array"
    irdl.attributes { "input_shape" = %input_shape_attr, "kernel" = %kernel_attr, "pad" = %pad_attr, "stride" = %stride_attr }
  }

  // Gradient of tosa.gather: updates summed by index.
  irdl.operation @scatter_add {
    %indices = irdl.base "!builtin.tensor"
    %updates = irdl.base "!builtin.tensor"
    %output = irdl.base "!builtin.tensor"
    irdl.operands(indices: %indices, updates: %updates)
    irdl.results(output: %output)
    %rows_attr = irdl.base "#builtin.integer"
    irdl.attributes { "rows" = %rows_attr }
  }
}
