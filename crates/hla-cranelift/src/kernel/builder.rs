//! The builder of a kernel's body: addresses, loops, vectors.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, AbiParam, BlockArg, ConstantData, InstBuilder, MemFlagsData, Signature, Type, Value,
    types,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{DataId, Module};

use super::{Buffer, Slot};
use crate::target::Target;

/// A load from memory that nothing writes while the kernel runs: inputs of the kernel, state,
/// constants. It may be moved and merged.
pub const READ: MemFlagsData = MemFlagsData::new()
    .with_notrap()
    .with_can_move()
    .with_readonly();

/// A store, or a load from memory that the kernel writes. It cannot trap.
pub const WRITE: MemFlagsData = MemFlagsData::new().with_notrap();

/// Entries of the context table before the inputs.
pub(crate) const CTX_STATE: usize = 0;
pub(crate) const CTX_WORKSPACE: usize = 1;
/// Points to the status that `NAME_run` returns.
pub(crate) const CTX_STATUS: usize = 2;
pub(crate) const CTX_INPUTS: usize = 3;

/// Where everything lies once the memory is planned.
pub(crate) struct Addresses<'a> {
    /// Offset in the workspace of each [`Slot::Temp`].
    pub temps: &'a [u64],
    /// Symbol of each [`Slot::Rodata`].
    pub rodata: &'a [DataId],
    /// Inputs come before outputs in the context table.
    pub inputs: usize,
}

/// The body of one kernel in the making.
pub struct KernelBuilder<'a> {
    /// Cranelift's own builder, for every instruction that has no helper here.
    pub b: FunctionBuilder<'a>,
    target: &'a Target,
    module: &'a mut dyn Module,
    addresses: &'a Addresses<'a>,
    ctx: Value,
    begin: Value,
    end: Value,
}

/// The signature of a kernel.
pub(crate) fn kernel_signature(module: &dyn Module) -> Signature {
    let mut signature = module.make_signature();
    signature.params = vec![AbiParam::new(types::I64); 3];
    signature
}

impl<'a> KernelBuilder<'a> {
    pub(crate) fn new(
        func: &'a mut ir::Function,
        context: &'a mut FunctionBuilderContext,
        target: &'a Target,
        module: &'a mut dyn Module,
        addresses: &'a Addresses<'a>,
    ) -> KernelBuilder<'a> {
        let mut b = FunctionBuilder::new(func, context);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        b.seal_block(entry);
        let params = b.block_params(entry);
        let (ctx, begin, end) = (params[0], params[1], params[2]);
        KernelBuilder {
            b,
            target,
            module,
            addresses,
            ctx,
            begin,
            end,
        }
    }

    pub(crate) fn finish(mut self) {
        self.b.ins().return_(&[]);
        let config = self.module.target_config();
        self.b.finalize(config);
    }

    /// What the code is for.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// First item to compute.
    pub fn begin(&self) -> Value {
        self.begin
    }

    /// One past the last item to compute.
    pub fn end(&self) -> Value {
        self.end
    }

    /// Address of a buffer.
    pub fn address(&mut self, buffer: Buffer) -> Value {
        let (index, offset) = match buffer.slot {
            Slot::State => (CTX_STATE, buffer.offset),
            Slot::Temp(i) => (
                CTX_WORKSPACE,
                self.addresses.temps[i as usize] + buffer.offset,
            ),
            Slot::Input(i) => (CTX_INPUTS + i as usize, buffer.offset),
            Slot::Output(i) => (
                CTX_INPUTS + self.addresses.inputs + i as usize,
                buffer.offset,
            ),
            Slot::Rodata(i) => {
                let data = self.addresses.rodata[i as usize];
                let global = self.module.declare_data_in_func(data, self.b.func);
                let base = self.b.ins().symbol_value(types::I64, global);
                return self.offset(base, buffer.offset as i64);
            }
        };
        let base = self.ctx_entry(index);
        self.offset(base, offset as i64)
    }

    fn ctx_entry(&mut self, index: usize) -> Value {
        let flags = READ.with_aligned();
        self.b
            .ins()
            .load(types::I64, flags, self.ctx, 8 * index as i32)
    }

    /// Makes `NAME_run` return `status`, which must not be zero. The kernel goes on: its results
    /// must be defined nevertheless.
    pub fn fail(&mut self, status: i32) {
        let at = self.ctx_entry(CTX_STATUS);
        let status = self.b.ins().iconst(types::I32, i64::from(status));
        self.b.ins().store(WRITE, status, at, 0);
    }

    /// `value + offset`.
    pub fn offset(&mut self, value: Value, offset: i64) -> Value {
        if offset == 0 {
            value
        } else {
            self.b.ins().iadd_imm_s(value, offset)
        }
    }

    /// A 64-bit integer.
    pub fn int(&mut self, value: i64) -> Value {
        self.b.ins().iconst(types::I64, value)
    }

    /// `value · factor`, as a shift where that does.
    pub fn scale(&mut self, value: Value, factor: i64) -> Value {
        match factor {
            1 => value,
            f if f > 0 && (f & (f - 1)) == 0 => self
                .b
                .ins()
                .ishl_imm_s(value, i64::from(f.trailing_zeros())),
            f => self.b.ins().imul_imm_s(value, f),
        }
    }

    /// `base + index · bytes`.
    pub fn index(&mut self, base: Value, index: Value, bytes: i64) -> Value {
        let scaled = self.scale(index, bytes);
        self.b.ins().iadd(base, scaled)
    }

    /// Runs the body for `start, start + step, …` while less than `end`.
    pub fn for_range(
        &mut self,
        start: Value,
        end: Value,
        step: i64,
        body: impl FnOnce(&mut Self, Value),
    ) {
        self.for_range_carry(start, end, step, &[], |k, i, _| {
            body(k, i);
            Vec::new()
        });
    }

    /// Like [`KernelBuilder::for_range`] with values that each iteration takes from the one before
    /// and hands to the next; gives those of the last, or `init` if there is none.
    pub fn for_range_carry(
        &mut self,
        start: Value,
        end: Value,
        step: i64,
        init: &[Value],
        body: impl FnOnce(&mut Self, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let head = self.b.create_block();
        let exit = self.b.create_block();
        let i = self.b.append_block_param(head, types::I64);
        let mut carried = Vec::with_capacity(init.len());
        let mut results = Vec::with_capacity(init.len());
        for &value in init {
            let ty = self.b.func.dfg.value_type(value);
            carried.push(self.b.append_block_param(head, ty));
            results.push(self.b.append_block_param(exit, ty));
        }
        let any = self.b.ins().icmp(IntCC::SignedLessThan, start, end);
        let enter: Vec<BlockArg> = std::iter::once(start)
            .chain(init.iter().copied())
            .map(BlockArg::from)
            .collect();
        let skip: Vec<BlockArg> = init.iter().copied().map(BlockArg::from).collect();
        self.b.ins().brif(any, head, &enter, exit, &skip);
        self.b.switch_to_block(head);
        let next_values = body(self, i, &carried);
        debug_assert_eq!(next_values.len(), init.len(), "carried values");
        let next = self.b.ins().iadd_imm_s(i, step);
        let more = self.b.ins().icmp(IntCC::SignedLessThan, next, end);
        let again: Vec<BlockArg> = std::iter::once(next)
            .chain(next_values.iter().copied())
            .map(BlockArg::from)
            .collect();
        let leave: Vec<BlockArg> = next_values.iter().copied().map(BlockArg::from).collect();
        self.b.ins().brif(more, head, &again, exit, &leave);
        self.b.seal_block(head);
        self.b.switch_to_block(exit);
        self.b.seal_block(exit);
        results
    }

    /// Runs the body for 0, step, … below a constant.
    pub fn repeat(&mut self, count: i64, step: i64, body: impl FnOnce(&mut Self, Value)) {
        let start = self.int(0);
        let end = self.int(count);
        self.for_range(start, end, step, body);
    }

    /// Runs the body if a condition is not zero.
    pub fn when(&mut self, condition: Value, body: impl FnOnce(&mut Self)) {
        let then = self.b.create_block();
        let after = self.b.create_block();
        self.b.ins().brif(condition, then, &[], after, &[]);
        self.b.switch_to_block(then);
        self.b.seal_block(then);
        body(self);
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
    }

    /// Chooses between two computations of values of the same types.
    pub fn either(
        &mut self,
        condition: Value,
        yes: impl FnOnce(&mut Self) -> Vec<Value>,
        no: impl FnOnce(&mut Self) -> Vec<Value>,
    ) -> Vec<Value> {
        let then = self.b.create_block();
        let other = self.b.create_block();
        let after = self.b.create_block();
        self.b.ins().brif(condition, then, &[], other, &[]);
        self.b.switch_to_block(then);
        self.b.seal_block(then);
        let values = yes(self);
        let results: Vec<Value> = values
            .iter()
            .map(|&v| {
                let ty = self.b.func.dfg.value_type(v);
                self.b.append_block_param(after, ty)
            })
            .collect();
        let args: Vec<BlockArg> = values.into_iter().map(BlockArg::from).collect();
        self.b.ins().jump(after, &args);
        self.b.switch_to_block(other);
        self.b.seal_block(other);
        let args: Vec<BlockArg> = no(self).into_iter().map(BlockArg::from).collect();
        self.b.ins().jump(after, &args);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
        results
    }

    /// A vector constant of 16 bytes.
    pub fn vector_const(&mut self, ty: Type, bytes: [u8; 16]) -> Value {
        let handle = self
            .b
            .func
            .dfg
            .constants
            .insert(ConstantData::from(&bytes[..]));
        let raw = self.b.ins().vconst(types::I8X16, handle);
        self.cast(ty, raw)
    }

    /// `f32` in every lane of a type: F32 itself or F32X4.
    pub fn f32_const(&mut self, ty: Type, value: f32) -> Value {
        let scalar = self.b.ins().f32const(value);
        self.splat(ty, scalar)
    }

    /// An integer in every lane of a type, which may be a scalar one.
    pub fn int_const(&mut self, ty: Type, value: i64) -> Value {
        let bits = ty.lane_type().bits();
        let masked = if bits == 64 {
            value
        } else {
            value & ((1 << bits) - 1)
        };
        let scalar = self.b.ins().iconst(ty.lane_type(), masked);
        self.splat(ty, scalar)
    }

    /// A scalar in every lane; itself if the type is a scalar's.
    pub fn splat(&mut self, ty: Type, scalar: Value) -> Value {
        if ty.is_vector() {
            self.b.ins().splat(ty, scalar)
        } else {
            scalar
        }
    }

    /// The same bits under another type of as many.
    pub fn cast(&mut self, ty: Type, value: Value) -> Value {
        if self.b.func.dfg.value_type(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(ir::Endianness::Little);
        self.b.ins().bitcast(ty, flags, value)
    }

    /// `a·b + c`, rounded once where the target can ([`Target::has_fma`]), else twice.
    pub fn fma(&mut self, a: Value, b: Value, c: Value) -> Value {
        if self.target.has_fma() {
            self.b.ins().fma(a, b, c)
        } else {
            let product = self.b.ins().fmul(a, b);
            self.b.ins().fadd(product, c)
        }
    }

    /// Loads from memory that nothing writes while the kernel runs.
    pub fn read(&mut self, ty: Type, address: Value, offset: i32) -> Value {
        self.b.ins().load(ty, READ, address, offset)
    }

    /// Loads from memory that the kernel itself may write.
    pub fn read_back(&mut self, ty: Type, address: Value, offset: i32) -> Value {
        self.b.ins().load(ty, WRITE, address, offset)
    }

    /// Stores.
    pub fn write(&mut self, value: Value, address: Value, offset: i32) {
        self.b.ins().store(WRITE, value, address, offset);
    }

    /// Coordinates of a linear index in a box of these extents.
    pub fn unravel(&mut self, index: Value, extents: &[i64]) -> Vec<Value> {
        let mut rest = index;
        let mut coordinates = vec![index; extents.len()];
        for d in (0..extents.len()).rev() {
            if d == 0 {
                coordinates[0] = rest;
            } else if extents[d] == 1 {
                coordinates[d] = self.int(0);
            } else {
                let extent = self.int(extents[d]);
                let quotient = self.b.ins().udiv(rest, extent);
                let product = self.scale(quotient, extents[d]);
                coordinates[d] = self.b.ins().isub(rest, product);
                rest = quotient;
            }
        }
        coordinates
    }
}
