//! Filling and copying a constant number of bytes: what C would leave to memset and memcpy.

use cranelift_codegen::ir::{InstBuilder, Value, types};

use super::KernelBuilder;

impl KernelBuilder<'_> {
    /// Writes zeros over `bytes` bytes, whatever their alignment.
    pub fn zero_fill(&mut self, address: Value, bytes: i64) {
        let zero = self.int_const(types::I8X16, 0);
        let whole = bytes & !15;
        if whole <= 64 {
            for at in (0..whole).step_by(16) {
                self.write(zero, address, at as i32);
            }
        } else {
            self.repeat(whole, 16, |k, i| {
                let at = k.b.ins().iadd(address, i);
                k.write(zero, at, 0);
            });
        }
        if bytes >= 16 && bytes > whole {
            let last = self.offset(address, bytes - 16);
            self.write(zero, last, 0);
        } else {
            let mut at = whole;
            for (size, ty) in [
                (8, types::I64),
                (4, types::I32),
                (2, types::I16),
                (1, types::I8),
            ] {
                if bytes - at >= size {
                    let zero = self.b.ins().iconst(ty, 0);
                    self.write(zero, address, at as i32);
                    at += size;
                }
            }
        }
    }

    /// Copies a constant number of bytes, whatever their alignment; the places do not overlap.
    pub fn copy_bytes(&mut self, from: Value, to: Value, bytes: i64) {
        let whole = bytes & !15;
        if whole <= 64 {
            for at in (0..whole).step_by(16) {
                let value = self.read(types::I8X16, from, at as i32);
                self.write(value, to, at as i32);
            }
        } else {
            let quads = bytes & !63;
            self.repeat(quads, 64, |k, i| {
                let from = k.b.ins().iadd(from, i);
                let to = k.b.ins().iadd(to, i);
                for at in [0, 16, 32, 48] {
                    let value = k.read(types::I8X16, from, at);
                    k.write(value, to, at);
                }
            });
            for at in (quads..whole).step_by(16) {
                let (from, to) = (self.offset(from, at), self.offset(to, at));
                let value = self.read(types::I8X16, from, 0);
                self.write(value, to, 0);
            }
        }
        if bytes >= 16 && bytes > whole {
            let (from, to) = (self.offset(from, bytes - 16), self.offset(to, bytes - 16));
            let value = self.read(types::I8X16, from, 0);
            self.write(value, to, 0);
            return;
        }
        let mut at = whole;
        for (size, ty) in [
            (8, types::I64),
            (4, types::I32),
            (2, types::I16),
            (1, types::I8),
        ] {
            if bytes - at >= size {
                let value = self.read(ty, from, at as i32);
                self.write(value, to, at as i32);
                at += size;
            }
        }
    }
}
