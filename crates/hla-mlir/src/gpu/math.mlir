// The functions that upstream's conversion to NVVM calls by the names of NVIDIA's libdevice, which is
// not part of hlac. They stand in every module of kernels and are inlined into them.
//
// exp, log, tanh, erf, pow and rsqrt are those of the CPU (hla-cranelift/src/math), operation for
// operation: additions, multiplications, fused multiply-adds, divisions, square roots and bits only, each
// correctly rounded. So they give the same bits on every GPU and on the CPU, with the errors measured
// there: exp, log and erf 1 ulp, rsqrt 1.5 ulp, tanh 2 ulp, pow 0.51 ulp. No approximate instruction
// (ex2.approx, …) is used. The others are exact or correctly rounded.

// e^x = 2^n * e^r with |r| <= ln(2)/2. 2^n comes in two factors, so that neither overflows.
llvm.func internal @__nv_expf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %low_bound = arith.constant -104.5 : f32
  %high_bound = arith.constant 89.0 : f32
  %x0 = arith.maximumf %x, %low_bound : f32
  %x1 = arith.minimumf %x0, %high_bound : f32
  %log2e = arith.constant 1.4426950408889634 : f32
  %magic = arith.constant 12582912.0 : f32
  %shifted = llvm.call_intrinsic "llvm.fma"(%x1, %log2e, %magic) : (f32, f32, f32) -> f32
  %n = arith.subf %shifted, %magic : f32
  %bits = arith.bitcast %shifted : f32 to i32
  %magic_bits = arith.constant 0x4b400000 : i32
  %n_int = arith.subi %bits, %magic_bits : i32
  %high = arith.constant -0.693145751953125 : f32
  %r0 = llvm.call_intrinsic "llvm.fma"(%n, %high, %x1) : (f32, f32, f32) -> f32
  %low = arith.constant -1.4286068e-6 : f32
  %r = llvm.call_intrinsic "llvm.fma"(%n, %low, %r0) : (f32, f32, f32) -> f32
  %c0 = arith.constant 1.9852762e-4 : f32
  %c1 = arith.constant 1.3930436e-3 : f32
  %c2 = arith.constant 8.333361e-3 : f32
  %c3 = arith.constant 4.1666485e-2 : f32
  %c4 = arith.constant 1.6666667e-1 : f32
  %c5 = arith.constant 0.5 : f32
  %p1 = llvm.call_intrinsic "llvm.fma"(%c0, %r, %c1) : (f32, f32, f32) -> f32
  %p2 = llvm.call_intrinsic "llvm.fma"(%p1, %r, %c2) : (f32, f32, f32) -> f32
  %p3 = llvm.call_intrinsic "llvm.fma"(%p2, %r, %c3) : (f32, f32, f32) -> f32
  %p4 = llvm.call_intrinsic "llvm.fma"(%p3, %r, %c4) : (f32, f32, f32) -> f32
  %p5 = llvm.call_intrinsic "llvm.fma"(%p4, %r, %c5) : (f32, f32, f32) -> f32
  %square = arith.mulf %r, %r : f32
  %p6 = llvm.call_intrinsic "llvm.fma"(%p5, %square, %r) : (f32, f32, f32) -> f32
  %one = arith.constant 1.0 : f32
  %p = arith.addf %p6, %one : f32
  %i1 = arith.constant 1 : i32
  %i23 = arith.constant 23 : i32
  %i127 = arith.constant 127 : i32
  %half = arith.shrsi %n_int, %i1 : i32
  %rest = arith.subi %n_int, %half : i32
  %half_biased = arith.addi %half, %i127 : i32
  %half_bits = arith.shli %half_biased, %i23 : i32
  %first = arith.bitcast %half_bits : i32 to f32
  %rest_biased = arith.addi %rest, %i127 : i32
  %rest_bits = arith.shli %rest_biased, %i23 : i32
  %second = arith.bitcast %rest_bits : i32 to f32
  %product = arith.mulf %p, %first : f32
  %result = arith.mulf %product, %second : f32
  llvm.return %result : f32
}

// log x = e*ln(2) + log m with sqrt(1/2) <= m < sqrt(2).
llvm.func internal @__nv_logf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %tiny = arith.constant 1.17549435e-38 : f32
  %subnormal = arith.cmpf olt, %x, %tiny : f32
  %factor = arith.constant 8388608.0 : f32
  %scaled = arith.mulf %x, %factor : f32
  %normal = arith.select %subnormal, %scaled, %x : f32
  %bits = arith.bitcast %normal : f32 to i32
  %boundary = arith.constant 0x3f3504f3 : i32
  %shifted = arith.subi %bits, %boundary : i32
  %i23 = arith.constant 23 : i32
  %i0 = arith.constant 0 : i32
  %e0 = arith.shrsi %shifted, %i23 : i32
  %offset = arith.shli %e0, %i23 : i32
  %m_bits = arith.subi %bits, %offset : i32
  %m = arith.bitcast %m_bits : i32 to f32
  %correction = arith.select %subnormal, %i23, %i0 : i32
  %e1 = arith.subi %e0, %correction : i32
  %e = arith.sitofp %e1 : i32 to f32
  %one = arith.constant 1.0 : f32
  %f = arith.subf %m, %one : f32
  %square = arith.mulf %f, %f : f32
  %c0 = arith.constant 7.0376836e-2 : f32
  %c1 = arith.constant -1.151461e-1 : f32
  %c2 = arith.constant 1.1676999e-1 : f32
  %c3 = arith.constant -1.2420141e-1 : f32
  %c4 = arith.constant 1.4249323e-1 : f32
  %c5 = arith.constant -1.6668058e-1 : f32
  %c6 = arith.constant 2.0000715e-1 : f32
  %c7 = arith.constant -2.4999994e-1 : f32
  %c8 = arith.constant 3.333333e-1 : f32
  %p1 = llvm.call_intrinsic "llvm.fma"(%c0, %f, %c1) : (f32, f32, f32) -> f32
  %p2 = llvm.call_intrinsic "llvm.fma"(%p1, %f, %c2) : (f32, f32, f32) -> f32
  %p3 = llvm.call_intrinsic "llvm.fma"(%p2, %f, %c3) : (f32, f32, f32) -> f32
  %p4 = llvm.call_intrinsic "llvm.fma"(%p3, %f, %c4) : (f32, f32, f32) -> f32
  %p5 = llvm.call_intrinsic "llvm.fma"(%p4, %f, %c5) : (f32, f32, f32) -> f32
  %p6 = llvm.call_intrinsic "llvm.fma"(%p5, %f, %c6) : (f32, f32, f32) -> f32
  %p7 = llvm.call_intrinsic "llvm.fma"(%p6, %f, %c7) : (f32, f32, f32) -> f32
  %p = llvm.call_intrinsic "llvm.fma"(%p7, %f, %c8) : (f32, f32, f32) -> f32
  %cube = arith.mulf %square, %f : f32
  %minus_half = arith.constant -0.5 : f32
  %low = arith.constant -2.1219444e-4 : f32
  %e_low = arith.mulf %e, %low : f32
  %tail0 = llvm.call_intrinsic "llvm.fma"(%p, %cube, %e_low) : (f32, f32, f32) -> f32
  %tail = llvm.call_intrinsic "llvm.fma"(%minus_half, %square, %tail0) : (f32, f32, f32) -> f32
  %high = arith.constant 0.693359375 : f32
  %sum = arith.addf %f, %tail : f32
  %finite = llvm.call_intrinsic "llvm.fma"(%e, %high, %sum) : (f32, f32, f32) -> f32
  %zero = arith.constant 0.0 : f32
  %infinity = arith.constant 0x7f800000 : f32
  %minus_infinity = arith.constant 0xff800000 : f32
  %nan = arith.constant 0x7fc00000 : f32
  %is_zero = arith.cmpf oeq, %x, %zero : f32
  %r0 = arith.select %is_zero, %minus_infinity, %finite : f32
  %valid = arith.cmpf oge, %x, %zero : f32
  %r1 = arith.select %valid, %r0, %nan : f32
  %is_infinite = arith.cmpf oeq, %x, %infinity : f32
  %result = arith.select %is_infinite, %infinity, %r1 : f32
  llvm.return %result : f32
}

// Near zero x + x^3 * P(x^2), else 1 - 2/(e^2|x| + 1).
llvm.func internal @__nv_tanhf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %square = arith.mulf %x, %x : f32
  %c0 = arith.constant -5.7049887e-3 : f32
  %c1 = arith.constant 2.0639089e-2 : f32
  %c2 = arith.constant -5.3739716e-2 : f32
  %c3 = arith.constant 1.3331442e-1 : f32
  %c4 = arith.constant -3.3333281e-1 : f32
  %p1 = llvm.call_intrinsic "llvm.fma"(%c0, %square, %c1) : (f32, f32, f32) -> f32
  %p2 = llvm.call_intrinsic "llvm.fma"(%p1, %square, %c2) : (f32, f32, f32) -> f32
  %p3 = llvm.call_intrinsic "llvm.fma"(%p2, %square, %c3) : (f32, f32, f32) -> f32
  %p4 = llvm.call_intrinsic "llvm.fma"(%p3, %square, %c4) : (f32, f32, f32) -> f32
  %p = arith.mulf %p4, %square : f32
  %near = llvm.call_intrinsic "llvm.fma"(%p, %x, %x) : (f32, f32, f32) -> f32
  %magnitude = llvm.call_intrinsic "llvm.fabs"(%x) : (f32) -> f32
  %doubled = arith.addf %magnitude, %magnitude : f32
  %e = llvm.call @__nv_expf(%doubled) : (f32) -> f32
  %one = arith.constant 1.0 : f32
  %denominator = arith.addf %e, %one : f32
  %inverse = arith.divf %one, %denominator : f32
  %minus_two = arith.constant -2.0 : f32
  %far0 = llvm.call_intrinsic "llvm.fma"(%minus_two, %inverse, %one) : (f32, f32, f32) -> f32
  %far = llvm.call_intrinsic "llvm.copysign"(%far0, %x) : (f32, f32) -> f32
  %boundary = arith.constant 0.625 : f32
  %is_near = arith.cmpf olt, %magnitude, %boundary : f32
  %result = arith.select %is_near, %near, %far : f32
  llvm.return %result : f32
}

llvm.func internal @__nv_erff(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %magnitude = llvm.call_intrinsic "llvm.fabs"(%x) : (f32) -> f32
  %square = arith.mulf %x, %x : f32
  %c0 = arith.constant -5.96761703e-4 : f32
  %c1 = arith.constant 4.99119423e-3 : f32
  %c2 = arith.constant -2.67681349e-2 : f32
  %c3 = arith.constant 1.12819925e-1 : f32
  %c4 = arith.constant -3.76125336e-1 : f32
  %c5 = arith.constant 1.28379166e-1 : f32
  %p1 = llvm.call_intrinsic "llvm.fma"(%c0, %square, %c1) : (f32, f32, f32) -> f32
  %p2 = llvm.call_intrinsic "llvm.fma"(%p1, %square, %c2) : (f32, f32, f32) -> f32
  %p3 = llvm.call_intrinsic "llvm.fma"(%p2, %square, %c3) : (f32, f32, f32) -> f32
  %p4 = llvm.call_intrinsic "llvm.fma"(%p3, %square, %c4) : (f32, f32, f32) -> f32
  %p = llvm.call_intrinsic "llvm.fma"(%p4, %square, %c5) : (f32, f32, f32) -> f32
  %inner = llvm.call_intrinsic "llvm.fma"(%p, %x, %x) : (f32, f32, f32) -> f32
  %four = arith.constant 4.0 : f32
  %t = arith.minimumf %magnitude, %four : f32
  %d0 = arith.constant -1.7285347e-5 : f32
  %d1 = arith.constant 3.83197126e-4 : f32
  %d2 = arith.constant -3.88396438e-3 : f32
  %d3 = arith.constant 2.42546219e-2 : f32
  %d4 = arith.constant -1.06777877e-1 : f32
  %d5 = arith.constant -6.34846687e-1 : f32
  %d6 = arith.constant -1.28717512e-1 : f32
  %q1 = llvm.call_intrinsic "llvm.fma"(%d0, %t, %d1) : (f32, f32, f32) -> f32
  %q2 = llvm.call_intrinsic "llvm.fma"(%q1, %t, %d2) : (f32, f32, f32) -> f32
  %q3 = llvm.call_intrinsic "llvm.fma"(%q2, %t, %d3) : (f32, f32, f32) -> f32
  %q4 = llvm.call_intrinsic "llvm.fma"(%q3, %t, %d4) : (f32, f32, f32) -> f32
  %q5 = llvm.call_intrinsic "llvm.fma"(%q4, %t, %d5) : (f32, f32, f32) -> f32
  %q = llvm.call_intrinsic "llvm.fma"(%q5, %t, %d6) : (f32, f32, f32) -> f32
  %minus_t = arith.negf %t : f32
  %exponent = llvm.call_intrinsic "llvm.fma"(%q, %t, %minus_t) : (f32, f32, f32) -> f32
  %complement = llvm.call @__nv_expf(%exponent) : (f32) -> f32
  %one = arith.constant 1.0 : f32
  %outer0 = arith.subf %one, %complement : f32
  %outer = llvm.call_intrinsic "llvm.copysign"(%outer0, %x) : (f32, f32) -> f32
  %boundary = arith.constant 0.927734375 : f32
  %is_outer = arith.cmpf ogt, %magnitude, %boundary : f32
  %result = arith.select %is_outer, %outer, %inner : f32
  llvm.return %result : f32
}

// Binary logarithm of what came from f32: x = m * 2^e, log m = 2 artanh((m - 1)/(m + 1)) as a series.
llvm.func internal @hlac_log2(%x: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %bits = arith.bitcast %x : f64 to i64
  %boundary = arith.constant 0x3fe6a09e667f3bcd : i64
  %shifted = arith.subi %bits, %boundary : i64
  %i52 = arith.constant 52 : i64
  %e_int = arith.shrsi %shifted, %i52 : i64
  %offset = arith.shli %e_int, %i52 : i64
  %m_bits = arith.subi %bits, %offset : i64
  %m = arith.bitcast %m_bits : i64 to f64
  %e = arith.sitofp %e_int : i64 to f64
  %one = arith.constant 1.0 : f64
  %numerator = arith.subf %m, %one : f64
  %denominator = arith.addf %m, %one : f64
  %s = arith.divf %numerator, %denominator : f64
  %square = arith.mulf %s, %s : f64
  // 2 log2(e) / (2i + 1), i from 8 down to 0.
  %c0 = arith.constant 0.16972882833987804 : f64
  %c1 = arith.constant 0.19235933878519512 : f64
  %c2 = arith.constant 0.22195308321368667 : f64
  %c3 = arith.constant 0.2623081892525388 : f64
  %c4 = arith.constant 0.3205988979753252 : f64
  %c5 = arith.constant 0.4121985831111324 : f64
  %c6 = arith.constant 0.5770780163555853 : f64
  %c7 = arith.constant 0.9617966939259756 : f64
  %c8 = arith.constant 2.8853900817779268 : f64
  %p1 = llvm.call_intrinsic "llvm.fma"(%c0, %square, %c1) : (f64, f64, f64) -> f64
  %p2 = llvm.call_intrinsic "llvm.fma"(%p1, %square, %c2) : (f64, f64, f64) -> f64
  %p3 = llvm.call_intrinsic "llvm.fma"(%p2, %square, %c3) : (f64, f64, f64) -> f64
  %p4 = llvm.call_intrinsic "llvm.fma"(%p3, %square, %c4) : (f64, f64, f64) -> f64
  %p5 = llvm.call_intrinsic "llvm.fma"(%p4, %square, %c5) : (f64, f64, f64) -> f64
  %p6 = llvm.call_intrinsic "llvm.fma"(%p5, %square, %c6) : (f64, f64, f64) -> f64
  %p7 = llvm.call_intrinsic "llvm.fma"(%p6, %square, %c7) : (f64, f64, f64) -> f64
  %series = llvm.call_intrinsic "llvm.fma"(%p7, %square, %c8) : (f64, f64, f64) -> f64
  %log = llvm.call_intrinsic "llvm.fma"(%series, %s, %e) : (f64, f64, f64) -> f64
  %zero = arith.constant 0.0 : f64
  %infinity = arith.constant 0x7ff0000000000000 : f64
  %minus_infinity = arith.constant 0xfff0000000000000 : f64
  %is_zero = arith.cmpf oeq, %x, %zero : f64
  %r0 = arith.select %is_zero, %minus_infinity, %log : f64
  %finite = arith.cmpf olt, %x, %infinity : f64
  %result = arith.select %finite, %r0, %x : f64
  llvm.return %result : f64
}

// 2^x for |x| <= 300: Taylor's series of the fraction.
llvm.func internal @hlac_exp2(%x: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %magic = arith.constant 6755399441055744.0 : f64
  %shifted = arith.addf %x, %magic : f64
  %n = arith.subf %shifted, %magic : f64
  %r = arith.subf %x, %n : f64
  // ln(2)^i / i!, i from 10 down to 0.
  %c0 = arith.constant 7.054911620801122e-09 : f64
  %c1 = arith.constant 1.0178086009239699e-07 : f64
  %c2 = arith.constant 1.3215486790144307e-06 : f64
  %c3 = arith.constant 1.525273380405984e-05 : f64
  %c4 = arith.constant 0.0001540353039338161 : f64
  %c5 = arith.constant 0.0013333558146428443 : f64
  %c6 = arith.constant 0.009618129107628477 : f64
  %c7 = arith.constant 0.055504108664821576 : f64
  %c8 = arith.constant 0.2402265069591007 : f64
  %c9 = arith.constant 0.6931471805599453 : f64
  %c10 = arith.constant 1.0 : f64
  %p1 = llvm.call_intrinsic "llvm.fma"(%c0, %r, %c1) : (f64, f64, f64) -> f64
  %p2 = llvm.call_intrinsic "llvm.fma"(%p1, %r, %c2) : (f64, f64, f64) -> f64
  %p3 = llvm.call_intrinsic "llvm.fma"(%p2, %r, %c3) : (f64, f64, f64) -> f64
  %p4 = llvm.call_intrinsic "llvm.fma"(%p3, %r, %c4) : (f64, f64, f64) -> f64
  %p5 = llvm.call_intrinsic "llvm.fma"(%p4, %r, %c5) : (f64, f64, f64) -> f64
  %p6 = llvm.call_intrinsic "llvm.fma"(%p5, %r, %c6) : (f64, f64, f64) -> f64
  %p7 = llvm.call_intrinsic "llvm.fma"(%p6, %r, %c7) : (f64, f64, f64) -> f64
  %p8 = llvm.call_intrinsic "llvm.fma"(%p7, %r, %c8) : (f64, f64, f64) -> f64
  %p9 = llvm.call_intrinsic "llvm.fma"(%p8, %r, %c9) : (f64, f64, f64) -> f64
  %p = llvm.call_intrinsic "llvm.fma"(%p9, %r, %c10) : (f64, f64, f64) -> f64
  %bits = arith.bitcast %shifted : f64 to i64
  %i52 = arith.constant 52 : i64
  %exponent = arith.shli %bits, %i52 : i64
  %p_bits = arith.bitcast %p : f64 to i64
  %sum = arith.addi %p_bits, %exponent : i64
  %power = arith.bitcast %sum : i64 to f64
  %ordered = arith.cmpf oeq, %x, %x : f64
  %result = arith.select %ordered, %power, %x : f64
  llvm.return %result : f64
}

// x^y by way of f64, with the special cases of C's pow.
llvm.func internal @__nv_powf(%x: f32, %y: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %magnitude = llvm.call_intrinsic "llvm.fabs"(%x) : (f32) -> f32
  %wide_x = arith.extf %magnitude : f32 to f64
  %wide_y = arith.extf %y : f32 to f64
  %log = llvm.call @hlac_log2(%wide_x) : (f64) -> f64
  %product0 = arith.mulf %wide_y, %log : f64
  %low = arith.constant -300.0 : f64
  %high = arith.constant 300.0 : f64
  %below_low = arith.cmpf olt, %product0, %low : f64
  %product1 = arith.select %below_low, %low, %product0 : f64
  %above_high = arith.cmpf ogt, %product1, %high : f64
  %product = arith.select %above_high, %high, %product1 : f64
  %wide = llvm.call @hlac_exp2(%product) : (f64) -> f64
  %power = arith.truncf %wide : f64 to f32
  // A negative base: odd powers are negative, powers that are no integers undefined.
  %half = arith.constant 0.5 : f32
  %halved = arith.mulf %y, %half : f32
  %halved_floor = llvm.call_intrinsic "llvm.floor"(%halved) : (f32) -> f32
  %not_even = arith.cmpf une, %halved_floor, %halved : f32
  %whole = llvm.call_intrinsic "llvm.floor"(%y) : (f32) -> f32
  %integer = arith.cmpf oeq, %whole, %y : f32
  %odd = arith.andi %not_even, %integer : i1
  %bits = arith.bitcast %x : f32 to i32
  %i0 = arith.constant 0 : i32
  %negative = arith.cmpi slt, %bits, %i0 : i32
  %flip = arith.andi %negative, %odd : i1
  %flipped = arith.negf %power : f32
  %signed = arith.select %flip, %flipped, %power : f32
  %zero = arith.constant 0.0 : f32
  %infinity = arith.constant 0x7f800000 : f32
  %nan = arith.constant 0x7fc00000 : f32
  %fractional = arith.cmpf une, %whole, %y : f32
  %below = arith.cmpf olt, %x, %zero : f32
  %finite = arith.cmpf olt, %magnitude, %infinity : f32
  %undefined0 = arith.andi %fractional, %below : i1
  %undefined = arith.andi %undefined0, %finite : i1
  %defined = arith.select %undefined, %nan, %signed : f32
  // x^0 = 1^y = (-1)^inf = 1, even for NaN.
  %one = arith.constant 1.0 : f32
  %y_zero = arith.cmpf oeq, %y, %zero : f32
  %x_one = arith.cmpf oeq, %x, %one : f32
  %magnitude_one = arith.cmpf oeq, %magnitude, %one : f32
  %y_magnitude = llvm.call_intrinsic "llvm.fabs"(%y) : (f32) -> f32
  %y_infinite = arith.cmpf oeq, %y_magnitude, %infinity : f32
  %limit = arith.andi %magnitude_one, %y_infinite : i1
  %is_one0 = arith.ori %y_zero, %x_one : i1
  %is_one = arith.ori %is_one0, %limit : i1
  %result = arith.select %is_one, %one, %defined : f32
  llvm.return %result : f32
}

// 1/sqrt(x), two roundings.
llvm.func internal @__nv_rsqrtf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %root = llvm.call_intrinsic "llvm.nvvm.sqrt.rn.f"(%x) : (f32) -> f32
  %one = arith.constant 1.0 : f32
  %result = arith.divf %one, %root : f32
  llvm.return %result : f32
}

// Correctly rounded or exact: instructions of the processor.
llvm.func internal @__nv_sqrtf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.nvvm.sqrt.rn.f"(%x) : (f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_fabsf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.fabs"(%x) : (f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_floorf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.floor"(%x) : (f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_ceilf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.ceil"(%x) : (f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_rintf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.rint"(%x) : (f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_copysignf(%x: f32, %y: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.copysign"(%x, %y) : (f32, f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_fmaxf(%x: f32, %y: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.maxnum"(%x, %y) : (f32, f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_fminf(%x: f32, %y: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.minnum"(%x, %y) : (f32, f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_sqrt(%x: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.nvvm.sqrt.rn.d"(%x) : (f64) -> f64
  llvm.return %r : f64
}
llvm.func internal @__nv_fabs(%x: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.fabs"(%x) : (f64) -> f64
  llvm.return %r : f64
}
llvm.func internal @__nv_floor(%x: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.floor"(%x) : (f64) -> f64
  llvm.return %r : f64
}
llvm.func internal @__nv_ceil(%x: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.ceil"(%x) : (f64) -> f64
  llvm.return %r : f64
}
llvm.func internal @__nv_rint(%x: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.rint"(%x) : (f64) -> f64
  llvm.return %r : f64
}
llvm.func internal @__nv_copysign(%x: f64, %y: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.copysign"(%x, %y) : (f64, f64) -> f64
  llvm.return %r : f64
}
llvm.func internal @__nv_fmax(%x: f64, %y: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.maxnum"(%x, %y) : (f64, f64) -> f64
  llvm.return %r : f64
}
llvm.func internal @__nv_fmin(%x: f64, %y: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.minnum"(%x, %y) : (f64, f64) -> f64
  llvm.return %r : f64
}
llvm.func internal @__nv_roundf(%x: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.round"(%x) : (f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_fmaf(%x: f32, %y: f32, %z: f32) -> f32 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.fma"(%x, %y, %z) : (f32, f32, f32) -> f32
  llvm.return %r : f32
}
llvm.func internal @__nv_fma(%x: f64, %y: f64, %z: f64) -> f64 attributes {passthrough = ["alwaysinline", "nounwind"]} {
  %r = llvm.call_intrinsic "llvm.fma"(%x, %y, %z) : (f64, f64, f64) -> f64
  llvm.return %r : f64
}
