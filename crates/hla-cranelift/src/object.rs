//! Object files.

use cranelift_module::default_libcall_names;
use cranelift_object::{ObjectBuilder, ObjectModule};
use hla_ir::{Diagnostic, Function, Location};

use crate::codegen;
use crate::header;
use crate::lower;
use crate::metadata;
use crate::options::CodegenOptions;
use crate::report::CompileReport;
use crate::target::Target;

/// What compiling a function gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Artifact {
    /// A relocatable object with the four functions that the header declares, and no undefined
    /// symbol.
    pub object: Vec<u8>,
    /// The C header.
    pub header: String,
    /// The kernels in Cranelift's intermediate form, if [`CodegenOptions::text`] asks for it.
    pub clif: String,
    /// The kernels as assembly, if [`CodegenOptions::text`] asks for it.
    pub asm: String,
    /// What was generated.
    pub report: CompileReport,
}

/// Compiles a function to an object file and a C header.
pub fn compile(
    function: &Function,
    target: &Target,
    options: &CodegenOptions,
) -> Result<Artifact, Diagnostic> {
    let failed = |what: String| Diagnostic::error(Location::unknown(), what);
    let program = lower::lower(function, target, options)?;
    let isa = target.isa(true, true)?;
    let builder =
        ObjectBuilder::new(isa, program.name.clone(), default_libcall_names()).map_err(|e| {
            failed(format!(
                "no object can be written for {}: {e}",
                target.triple()
            ))
        })?;
    let mut module = ObjectModule::new(builder);
    let functions = codegen::generate(&mut module, &program, target, options.text)?;
    let report = CompileReport::new(&program, target, functions.kernels, functions.init_kernels);
    let mut product = module.finish();
    let metadata = metadata::to_bytes(&report)
        .map_err(|e| failed(format!("the description could not be written: {e}")))?;
    let section = product.object.add_section(
        Vec::new(),
        metadata::SECTION.into(),
        cranelift_object::object::SectionKind::Metadata,
    );
    product.object.append_section_data(section, &metadata, 1);
    let object = product
        .emit()
        .map_err(|e| failed(format!("the object could not be written: {e}")))?;
    Ok(Artifact {
        object,
        header: header::write(&program, target),
        clif: functions.clif,
        asm: functions.asm,
        report,
    })
}
