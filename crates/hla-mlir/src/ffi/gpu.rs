//! What only code for GPUs needs: one change of an attribute, and objects taken out.

use mlir_sys::*;

use super::{Ir, Op, bytes_of, string_ref};

impl Ir {
    /// Gives the globals of LLVM's dialect whose name begins so, in modules of kernels, external
    /// linkage. `gpu.dynamic_shared_memory` becomes an internal global of no size, which would lie
    /// over the static shared memory; an external one begins after it.
    pub(crate) fn make_external(&mut self, prefix: &str) {
        let globals: Vec<MlirOperation> = self
            .in_kernel_modules()
            .filter(|op| op.name() == "llvm.mlir.global")
            .filter(|op| {
                let name = op.attribute("sym_name").and_then(super::Attribute::string);
                name.is_some_and(|name| name.starts_with(prefix.as_bytes()))
            })
            .map(|op| op.raw)
            .collect();
        for global in globals {
            // SAFETY: the operation is alive, and no handle is; the attribute is one of this context.
            unsafe {
                let context = mlirOperationGetContext(global);
                let external =
                    mlirAttributeParseGet(context, string_ref(b"#llvm.linkage<external>"));
                if !external.ptr.is_null() {
                    mlirOperationSetInherentAttributeByName(
                        global,
                        string_ref(b"linkage"),
                        external,
                    );
                }
            }
        }
    }

    /// The objects of all `gpu.binary` operations.
    pub(crate) fn gpu_objects(&self) -> Vec<Vec<u8>> {
        let mut objects = Vec::new();
        for op in self.top_level().filter(|op| op.name() == "gpu.binary") {
            let list = op.attribute("objects").and_then(super::Attribute::array);
            for object in list.unwrap_or_default() {
                // SAFETY: the attribute is alive; the accessor follows its predicate.
                unsafe {
                    if mlirAttributeIsAGPUObjectAttr(object.raw()) {
                        objects.push(bytes_of(mlirGPUObjectAttrGetObject(object.raw())));
                    }
                }
            }
        }
        objects
    }

    fn top_level(&self) -> impl Iterator<Item = Op<'_>> {
        let blocks = self.root().regions().into_iter().flatten();
        blocks.flat_map(super::Block::operations)
    }

    fn in_kernel_modules(&self) -> impl Iterator<Item = Op<'_>> {
        let modules = self.top_level().filter(|op| op.name() == "gpu.module");
        let blocks = modules.flat_map(|op| op.regions().into_iter().flatten());
        blocks.flat_map(super::Block::operations)
    }
}
