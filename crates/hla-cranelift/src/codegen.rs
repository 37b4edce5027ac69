//! From a program to functions in a Cranelift module: kernels, and the entry points around them.

use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{
    AbiParam, InstBuilder, MemFlagsData, Signature, StackSlotData, StackSlotKind, UserFuncName,
    Value, types,
};
use cranelift_codegen::{Context, ir};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, ModuleError};
use hla_ir::{Diagnostic, Location};

use crate::kernel::builder::{
    Addresses, CTX_INPUTS, CTX_STATE, CTX_STATUS, CTX_WORKSPACE, KernelBuilder, READ, WRITE,
    kernel_signature,
};
use crate::kernel::{ALIGN, EmitKernel, KernelReport, SLACK};
use crate::lower::Program;
use crate::target::Target;

/// The functions of a program in a module.
pub(crate) struct Functions {
    pub init: FuncId,
    pub run: FuncId,
    /// What `run` calls, in order.
    pub run_kernels: Vec<FuncId>,
    pub kernels: Vec<KernelReport>,
    pub init_kernels: Vec<KernelReport>,
    /// Text of every function, if wanted.
    pub clif: String,
    pub asm: String,
}

/// Writes all functions and constants of a program into a module.
pub(crate) fn generate(
    module: &mut dyn Module,
    program: &Program,
    target: &Target,
    text: bool,
) -> Result<Functions, Diagnostic> {
    let mut rodata = Vec::with_capacity(program.rodata.len());
    for (i, tensor) in program.rodata.iter().enumerate() {
        let name = format!("{}_r{i}", program.name);
        rodata.push(define_rodata(module, &name, tensor.to_bytes().into())?);
    }
    // What the vector loads of the last constant may read past its end.
    define_rodata(
        module,
        &format!("{}_rodata_end", program.name),
        vec![0; SLACK as usize].into(),
    )?;
    let addresses = Addresses {
        temps: &program.temps,
        rodata: &rodata,
        inputs: program.inputs.len(),
    };
    let mut generator = Generator {
        module,
        program,
        target,
        addresses: &addresses,
        context: Context::new(),
        functions: FunctionBuilderContext::new(),
        text,
        clif: String::new(),
        asm: String::new(),
    };
    let (init_ids, init_kernels) = generator.kernels(&program.init, "i")?;
    let (run_ids, kernels) = generator.kernels(&program.kernels, "k")?;
    let init = generator.init(&init_ids)?;
    let run = generator.run(&run_ids)?;
    generator.constant("state_bytes", program.state_bytes)?;
    generator.constant("workspace_bytes", program.workspace_bytes)?;
    Ok(Functions {
        init,
        run,
        run_kernels: run_ids,
        kernels,
        init_kernels,
        clif: generator.clif,
        asm: generator.asm,
    })
}

fn failed(error: ModuleError) -> Diagnostic {
    let message = match &error {
        ModuleError::Compilation(e) => format!("Cranelift could not compile a kernel: {e:?}"),
        other => format!("Cranelift could not build the module: {other}"),
    };
    Diagnostic::error(Location::unknown(), message)
        .help("this is a mistake in hlac; please report it with the model")
}

fn define_rodata(
    module: &mut dyn Module,
    name: &str,
    bytes: Box<[u8]>,
) -> Result<DataId, Diagnostic> {
    let id = module
        .declare_data(name, Linkage::Local, false, false)
        .map_err(failed)?;
    let mut data = DataDescription::new();
    data.define(bytes);
    data.set_align(ALIGN);
    module.define_data(id, &data).map_err(failed)?;
    Ok(id)
}

struct Generator<'a> {
    module: &'a mut dyn Module,
    program: &'a Program,
    target: &'a Target,
    addresses: &'a Addresses<'a>,
    context: Context,
    functions: FunctionBuilderContext,
    text: bool,
    clif: String,
    asm: String,
}

impl Generator<'_> {
    fn kernels(
        &mut self,
        kernels: &[Box<dyn EmitKernel>],
        letter: &str,
    ) -> Result<(Vec<FuncId>, Vec<KernelReport>), Diagnostic> {
        let mut ids = Vec::with_capacity(kernels.len());
        let mut reports = Vec::with_capacity(kernels.len());
        for (i, kernel) in kernels.iter().enumerate() {
            let symbol = format!("{}_{letter}{i:02}_{}", self.program.name, kernel.name());
            let signature = kernel_signature(self.module);
            let id = self.declare(&symbol, Linkage::Local, &signature)?;
            self.begin(id, signature);
            let mut builder = KernelBuilder::new(
                &mut self.context.func,
                &mut self.functions,
                self.target,
                self.module,
                self.addresses,
            );
            kernel.emit(&mut builder)?;
            builder.finish();
            self.define(id, &symbol)?;
            ids.push(id);
            reports.push(KernelReport {
                symbol,
                items: kernel.parallel_items(),
                shared: letter == "k" && is_shared(kernel.as_ref()),
                ..kernel.describe()
            });
        }
        Ok((ids, reports))
    }

    fn declare(
        &mut self,
        symbol: &str,
        linkage: Linkage,
        signature: &Signature,
    ) -> Result<FuncId, Diagnostic> {
        self.module
            .declare_function(symbol, linkage, signature)
            .map_err(failed)
    }

    fn begin(&mut self, id: FuncId, signature: Signature) {
        self.context.clear();
        self.context.set_disasm(self.text);
        self.context.func.signature = signature;
        self.context.func.name = UserFuncName::user(0, id.as_u32());
    }

    fn define(&mut self, id: FuncId, symbol: &str) -> Result<(), Diagnostic> {
        use std::fmt::Write;
        if self.text {
            let _ = writeln!(self.clif, "; {symbol}\n{}", self.context.func.display());
        }
        self.module
            .define_function_with_control_plane(id, &mut self.context, &mut ControlPlane::default())
            .map_err(failed)?;
        if let Some(text) = self.context.compiled_code().and_then(|c| c.vcode.as_ref()) {
            let _ = writeln!(self.asm, "{symbol}:\n{text}");
        }
        Ok(())
    }

    /// An exported function that gives a constant.
    fn constant(&mut self, what: &str, value: u64) -> Result<(), Diagnostic> {
        let mut signature = self.module.make_signature();
        signature.returns.push(AbiParam::new(types::I64));
        let (symbol, id) = self.entry(what, &signature)?;
        self.begin(id, signature);
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.functions);
        let block = b.create_block();
        b.switch_to_block(block);
        b.seal_block(block);
        let value = b.ins().iconst(types::I64, value as i64);
        b.ins().return_(&[value]);
        b.finalize(self.module.target_config());
        self.define(id, &symbol)
    }

    fn entry(&mut self, what: &str, signature: &Signature) -> Result<(String, FuncId), Diagnostic> {
        let symbol = format!("{}_{what}", self.program.name);
        let id = self.declare(&symbol, Linkage::Export, signature)?;
        Ok((symbol, id))
    }

    /// `NAME_init(state)`.
    fn init(&mut self, kernels: &[FuncId]) -> Result<FuncId, Diagnostic> {
        let mut signature = self.module.make_signature();
        signature.params.push(AbiParam::new(types::I64));
        let (symbol, id) = self.entry("init", &signature)?;
        self.begin(id, signature);
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.functions);
        let params = open(&mut b);
        let table = table(&mut b, &[(CTX_STATE, params[0])], CTX_INPUTS);
        for (kernel, &id) in self.program.init.iter().zip(kernels) {
            let callee = self.module.declare_func_in_func(id, b.func);
            let begin = b.ins().iconst(types::I64, 0);
            let end = b.ins().iconst(types::I64, kernel.parallel_items() as i64);
            b.ins().call(callee, &[table, begin, end]);
        }
        b.ins().return_(&[]);
        b.finalize(self.module.target_config());
        self.define(id, &symbol)?;
        Ok(id)
    }

    /// `NAME_run(state, inputs…, outputs…, workspace, parallel)`, which gives the status.
    fn run(&mut self, kernels: &[FuncId]) -> Result<FuncId, Diagnostic> {
        let tensors = self.program.inputs.len() + self.program.outputs.len();
        let mut signature = self.module.make_signature();
        signature.params = vec![AbiParam::new(types::I64); tensors + 3];
        signature.returns.push(AbiParam::new(types::I32));
        let (symbol, id) = self.entry("run", &signature)?;
        self.begin(id, signature);
        let body = kernel_signature(self.module);
        let mut parallel_for = self.module.make_signature();
        parallel_for.params = vec![AbiParam::new(types::I64); 4];
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.functions);
        let params = open(&mut b);
        let parallel_for = b.import_signature(parallel_for);
        debug_assert_eq!(body.params.len(), 3);
        let status =
            b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 4, 2));
        let zero = b.ins().iconst(types::I32, 0);
        let status_at = b.ins().stack_addr(types::I64, status, 0);
        b.ins().store(WRITE, zero, status_at, 0);
        let mut entries = vec![
            (CTX_STATE, params[0]),
            (CTX_WORKSPACE, params[tensors + 1]),
            (CTX_STATUS, status_at),
        ];
        for i in 0..tensors {
            entries.push((CTX_INPUTS + i, params[1 + i]));
        }
        let table = table(&mut b, &entries, CTX_INPUTS + tensors);
        let parallel = params[tensors + 2];
        for (kernel, &id) in self.program.kernels.iter().zip(kernels) {
            let callee = self.module.declare_func_in_func(id, b.func);
            let items = kernel.parallel_items();
            let count = b.ins().iconst(types::I64, items as i64);
            if !is_shared(kernel.as_ref()) {
                let begin = b.ins().iconst(types::I64, 0);
                b.ins().call(callee, &[table, begin, count]);
                continue;
            }
            let threads = b.create_block();
            let alone = b.create_block();
            let after = b.create_block();
            b.ins().brif(parallel, threads, &[], alone, &[]);
            b.switch_to_block(threads);
            b.seal_block(threads);
            let pool = b.ins().load(types::I64, READ, parallel, 0);
            let function = b.ins().load(types::I64, READ, parallel, 8);
            let body = b.ins().func_addr(types::I64, callee);
            b.ins()
                .call_indirect(parallel_for, function, &[pool, count, body, table]);
            b.ins().jump(after, &[]);
            b.switch_to_block(alone);
            b.seal_block(alone);
            let begin = b.ins().iconst(types::I64, 0);
            b.ins().call(callee, &[table, begin, count]);
            b.ins().jump(after, &[]);
            b.switch_to_block(after);
            b.seal_block(after);
        }
        let status = b.ins().load(types::I32, WRITE, status_at, 0);
        b.ins().return_(&[status]);
        b.finalize(self.module.target_config());
        self.define(id, &symbol)?;
        Ok(id)
    }
}

/// Whether a kernel has more items than are worth one thread.
fn is_shared(kernel: &dyn EmitKernel) -> bool {
    kernel.parallel_items() > kernel.grain()
}

/// Opens the entry block; gives the parameters.
fn open(b: &mut FunctionBuilder<'_>) -> Vec<Value> {
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    b.seal_block(block);
    b.block_params(block).to_vec()
}

/// A context table on the stack.
fn table(b: &mut FunctionBuilder<'_>, entries: &[(usize, Value)], len: usize) -> Value {
    let slot = b.create_sized_stack_slot(StackSlotData::new(
        StackSlotKind::ExplicitSlot,
        8 * len as u32,
        3,
    ));
    let at = b.ins().stack_addr(types::I64, slot, 0);
    for &(index, value) in entries {
        let flags = MemFlagsData::trusted();
        b.ins().store(flags, value, at, 8 * index as i32);
    }
    at
}

/// For a module that calls an entry point with a table of arguments instead of arguments:
/// `NAME_call(args)`, where `args` holds the arguments of `NAME_run`.
pub(crate) fn generate_trampoline(
    module: &mut dyn Module,
    program: &Program,
    run: FuncId,
) -> Result<FuncId, Diagnostic> {
    let mut signature = module.make_signature();
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I32));
    let symbol = format!("{}_call", program.name);
    let id = module
        .declare_function(&symbol, Linkage::Export, &signature)
        .map_err(failed)?;
    let mut context = Context::new();
    context.func = ir::Function::with_name_signature(UserFuncName::user(0, id.as_u32()), signature);
    let mut functions = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut context.func, &mut functions);
    let params = open(&mut b);
    let args: Vec<Value> = (0..program.inputs.len() + program.outputs.len() + 3)
        .map(|i| b.ins().load(types::I64, READ, params[0], 8 * i as i32))
        .collect();
    let callee = module.declare_func_in_func(run, b.func);
    let call = b.ins().call(callee, &args);
    let status = b.inst_results(call)[0];
    b.ins().return_(&[status]);
    b.finalize(module.target_config());
    module.define_function(id, &mut context).map_err(failed)?;
    Ok(id)
}
