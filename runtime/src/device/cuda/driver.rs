//! Calls of the CUDA driver. All `unsafe` code of the CUDA device is here.
//!
//! Contract: the library is opened and initialised before anything else ([`Driver::open`] is the only
//! way to a [`Context`], and every handle keeps its context alive); a handle is given back once, when
//! it is dropped; all calls come from the thread that made the context, because handles are neither
//! `Send` nor `Sync`; host memory handed to a call lives until the call returns or, where the copy is
//! asynchronous, is [`Pinned`] memory that its owner leaves alone until an event says that the copy
//! is done. What kernels do to memory is the compiler's affair: a program is trusted as an executable
//! is. Which addresses commands may touch is checked before, in [`super::check`].
//!
//! The bindings are those of the newest CUDA, so that every result that a driver may give has a
//! name. Each function is looked up when it is first called, and only such are called as all drivers
//! since [`OLDEST`] have, so that older drivers do too.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::rc::Rc;

use cudarc::driver::sys;

use super::error::Failed;

/// The oldest driver that has every function called here: of CUDA 11.4.
pub const OLDEST: i32 = 11_040;

/// Bytes of what the driver's compiler may say.
const LOG_BYTES: usize = 16 << 10;

type Result<T> = std::result::Result<T, Failed>;

fn check(call: &'static str, result: sys::CUresult) -> Result<()> {
    if result == sys::CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let mut text: *const c_char = std::ptr::null();
    // SAFETY: `text` is a place for a pointer; what comes is a string constant, or stays null.
    let text = unsafe {
        let told = sys::cuGetErrorString(result, &mut text);
        match told == sys::CUresult::CUDA_SUCCESS && !text.is_null() {
            true => CStr::from_ptr(text).to_string_lossy().into_owned(),
            false => "unknown error".to_owned(),
        }
    };
    Err(Failed {
        call,
        code: result as u32,
        text,
    })
}

/// The driver's library, opened and initialised.
#[derive(Clone, Copy, Debug)]
pub struct Driver {
    /// Of the newest CUDA that it knows: 12040 is 12.4.
    pub version: i32,
}

/// Why there is no driver.
#[derive(Debug)]
pub enum Missing {
    /// No library of it can be opened.
    Library,
    /// It is older than [`OLDEST`].
    Old(i32),
    /// It does not start.
    Start(Failed),
}

impl Driver {
    /// Opens the library and initialises it. More than once is harmless.
    pub fn open() -> std::result::Result<Driver, Missing> {
        // SAFETY: opening a library runs its initialisers; this one is NVIDIA's driver, or what the
        // system's owner put in its place.
        if !unsafe { sys::is_culib_present() } {
            return Err(Missing::Library);
        }
        let mut version: c_int = 0;
        // SAFETY: `version` is a place for an int; this call needs no initialisation.
        let told = unsafe { sys::cuDriverGetVersion(&mut version) };
        check("cuDriverGetVersion", told).map_err(Missing::Start)?;
        if version < OLDEST {
            return Err(Missing::Old(version));
        }
        // SAFETY: no condition.
        check("cuInit", unsafe { sys::cuInit(0) }).map_err(Missing::Start)?;
        Ok(Driver { version })
    }

    /// How many devices there are.
    pub fn count(self) -> Result<usize> {
        let mut count: c_int = 0;
        // SAFETY: the driver is initialised; `count` is a place for an int.
        check("cuDeviceGetCount", unsafe {
            sys::cuDeviceGetCount(&mut count)
        })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// What device `index` is.
    pub fn facts(self, index: usize) -> Result<Facts> {
        let device = self.device(index)?;
        let mut name = [0_u8; 256];
        let mut bytes: usize = 0;
        let mut numbers = [0_i32; 3];
        use sys::CUdevice_attribute_enum as Attribute;
        let attributes = [
            Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
        ];
        // SAFETY: the driver is initialised and gave `device`; the places are as long as is said,
        // and the last byte of the name stays zero.
        unsafe {
            let length = (name.len() - 1) as c_int;
            let place = name.as_mut_ptr().cast();
            check(
                "cuDeviceGetName",
                sys::cuDeviceGetName(place, length, device),
            )?;
            check(
                "cuDeviceTotalMem",
                sys::cuDeviceTotalMem_v2(&mut bytes, device),
            )?;
            for (number, attribute) in numbers.iter_mut().zip(attributes) {
                let told = sys::cuDeviceGetAttribute(number, attribute, device);
                check("cuDeviceGetAttribute", told)?;
            }
        }
        let [major, minor, shared] = numbers;
        let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        Ok(Facts {
            name: name.to_string_lossy().into_owned(),
            capability: (major.unsigned_abs(), minor.unsigned_abs()),
            bytes: bytes as u64,
            shared_bytes: shared.unsigned_abs(),
        })
    }

    fn device(self, index: usize) -> Result<sys::CUdevice> {
        let index = c_int::try_from(index).unwrap_or(c_int::MAX);
        let mut device: sys::CUdevice = 0;
        // SAFETY: the driver is initialised; `device` is a place for a handle.
        check("cuDeviceGet", unsafe {
            sys::cuDeviceGet(&mut device, index)
        })?;
        Ok(device)
    }
}

/// What a device is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its compute capability: (9, 0) is `sm_90`.
    pub capability: (u32, u32),
    /// All its memory.
    pub bytes: u64,
    /// The most shared memory that a block can have.
    pub shared_bytes: u32,
}

/// A device's primary context.
#[derive(Debug)]
pub struct Context {
    device: sys::CUdevice,
    handle: sys::CUcontext,
}

impl Context {
    /// Of device `index`; it is current in this thread from now on.
    pub fn new(driver: Driver, index: usize) -> Result<Rc<Context>> {
        let device = driver.device(index)?;
        let mut handle: sys::CUcontext = null_mut();
        // SAFETY: the driver is initialised and gave `device`; `handle` is a place for a handle.
        check("cuDevicePrimaryCtxRetain", unsafe {
            sys::cuDevicePrimaryCtxRetain(&mut handle, device)
        })?;
        let context = Rc::new(Context { device, handle });
        context.make_current()?;
        Ok(context)
    }

    /// Makes it the one that calls of this thread are about.
    pub fn make_current(&self) -> Result<()> {
        // SAFETY: the context is retained as long as `self` lives.
        check("cuCtxSetCurrent", unsafe {
            sys::cuCtxSetCurrent(self.handle)
        })
    }

    /// Bytes of the device that are free, and all.
    pub fn memory(&self) -> Result<(u64, u64)> {
        self.make_current()?;
        let (mut free, mut total) = (0_usize, 0_usize);
        // SAFETY: a context is current; the places are for numbers.
        check("cuMemGetInfo", unsafe {
            sys::cuMemGetInfo_v2(&mut free, &mut total)
        })?;
        Ok((free as u64, total as u64))
    }

    /// Memory of the device, at a multiple of 256 bytes.
    pub fn allocate(&self, bytes: u64) -> Result<u64> {
        self.make_current()?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut address: sys::CUdeviceptr = 0;
        // SAFETY: a context is current; `address` is a place for an address.
        check("cuMemAlloc", unsafe {
            sys::cuMemAlloc_v2(&mut address, bytes)
        })?;
        Ok(address)
    }

    /// Gives memory back that [`Context::allocate`] gave; waits for what uses it.
    pub fn free(&self, address: u64) -> Result<()> {
        self.make_current()?;
        // SAFETY: a context is current; the caller looked `address` up among its allocations. A
        // wrong one would be an error, not undefined.
        check("cuMemFree", unsafe { sys::cuMemFree_v2(address) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once in `new`; nothing of it is alive any more.
        unsafe { sys::cuDevicePrimaryCtxRelease_v2(self.device) };
    }
}

/// Code that is loaded.
#[derive(Debug)]
pub struct Module {
    handle: sys::CUmodule,
    context: Rc<Context>,
}

/// A kernel of a module.
#[derive(Clone, Copy, Debug)]
pub struct Function(sys::CUfunction);

impl Module {
    /// Compiles PTX for the device. An error comes with what the compiler said.
    pub fn load(
        context: &Rc<Context>,
        ptx: &CStr,
    ) -> std::result::Result<Module, (Failed, String)> {
        let quiet = |failed| (failed, String::new());
        context.make_current().map_err(quiet)?;
        let mut log = vec![0_u8; LOG_BYTES];
        let mut options = [
            sys::CUjit_option_enum::CU_JIT_ERROR_LOG_BUFFER,
            sys::CUjit_option_enum::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        ];
        // A number goes in the place of a pointer.
        let size = without_provenance_mut(LOG_BYTES - 1);
        let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), size];
        let mut handle: sys::CUmodule = null_mut();
        // SAFETY: a context is current; the PTX ends with a zero; there are two options with a value
        // each, and the log is as long as is said, with a zero after it.
        let loaded = unsafe {
            sys::cuModuleLoadDataEx(
                &mut handle,
                ptx.as_ptr().cast(),
                options.len() as u32,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        match check("cuModuleLoadDataEx", loaded) {
            Ok(()) => Ok(Module {
                handle,
                context: Rc::clone(context),
            }),
            Err(failed) => {
                let said = CStr::from_bytes_until_nul(&log).unwrap_or_default();
                Err((failed, said.to_string_lossy().trim().to_owned()))
            }
        }
    }

    /// Its kernel of this name, which may use so many bytes of dynamic shared memory.
    pub fn function(&self, entry: &CString, shared_bytes: u32) -> Result<Function> {
        self.context.make_current()?;
        let mut function: sys::CUfunction = null_mut();
        let bytes = c_int::try_from(shared_bytes).unwrap_or(c_int::MAX);
        // SAFETY: the module is loaded; the name ends with a zero; `function` is a place for a
        // handle, which is the kernel's when its attribute is set.
        unsafe {
            let found = sys::cuModuleGetFunction(&mut function, self.handle, entry.as_ptr());
            check("cuModuleGetFunction", found)?;
            let attribute =
                sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let set = sys::cuFuncSetAttribute(function, attribute, bytes);
            check("cuFuncSetAttribute", set)?;
        }
        Ok(Function(function))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // A context that cannot be made current is gone, and its modules with it.
        if self.context.make_current().is_ok() {
            // SAFETY: loaded once; whoever keeps functions of it keeps it.
            unsafe { sys::cuModuleUnload(self.handle) };
        }
    }
}

/// A queue of work.
#[derive(Debug)]
pub struct Stream {
    handle: sys::CUstream,
    context: Rc<Context>,
}

impl Stream {
    /// One that waits for no other.
    pub fn new(context: &Rc<Context>) -> Result<Stream> {
        context.make_current()?;
        let mut handle: sys::CUstream = null_mut();
        let flags = sys::CUstream_flags_enum::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: a context is current; `handle` is a place for a handle.
        check("cuStreamCreate", unsafe {
            sys::cuStreamCreate(&mut handle, flags)
        })?;
        Ok(Stream {
            handle,
            context: Rc::clone(context),
        })
    }

    /// Queues a kernel whose parameters are addresses; there must be as many as it has.
    pub fn launch(
        &self,
        function: Function,
        grid: [u32; 3],
        block: [u32; 3],
        shared_bytes: u32,
        args: &[u64],
    ) -> Result<()> {
        self.context.make_current()?;
        let mut args = args.to_vec();
        let mut pointers: Vec<*mut c_void> = args
            .iter_mut()
            .map(|arg| std::ptr::from_mut(arg).cast())
            .collect();
        let ([gx, gy, gz], [bx, by, bz]) = (grid, block);
        // SAFETY: the function's module is loaded in the stream's context; the driver reads one
        // value of eight bytes through each pointer before it returns, for as many parameters as the
        // kernel has, which `check::commands` found to be these.
        check("cuLaunchKernel", unsafe {
            sys::cuLaunchKernel(
                function.0,
                gx,
                gy,
                gz,
                bx,
                by,
                bz,
                shared_bytes,
                self.handle,
                pointers.as_mut_ptr(),
                null_mut(),
            )
        })
    }

    /// Queues a copy within the device's memory.
    pub fn copy(&self, target: u64, source: u64, bytes: u64) -> Result<()> {
        self.context.make_current()?;
        // SAFETY: both lie in allocations, as `check` found.
        check("cuMemcpyDtoDAsync", unsafe {
            sys::cuMemcpyDtoDAsync_v2(target, source, bytes as usize, self.handle)
        })
    }

    /// Queues setting bytes.
    pub fn fill(&self, target: u64, bytes: u64, byte: u8) -> Result<()> {
        self.context.make_current()?;
        // SAFETY: it lies in an allocation, as `check` found.
        check("cuMemsetD8Async", unsafe {
            sys::cuMemsetD8Async(target, byte, bytes as usize, self.handle)
        })
    }

    /// Copies bytes to pinned memory, and queues their copy to the device. The pinned bytes must be
    /// left alone until an event that is recorded afterwards has happened.
    pub fn upload(
        &self,
        target: u64,
        pinned: &mut Pinned,
        offset: usize,
        bytes: &[u8],
    ) -> Result<()> {
        self.context.make_current()?;
        let place = &mut pinned.bytes_mut()[offset..offset + bytes.len()];
        place.copy_from_slice(bytes);
        // SAFETY: the target lies in an allocation, as `check` found; the source is pinned memory,
        // which outlives the copy as the contract of this function says.
        check("cuMemcpyHtoDAsync", unsafe {
            sys::cuMemcpyHtoDAsync_v2(target, place.as_ptr().cast(), place.len(), self.handle)
        })
    }

    /// Copies from the device, when all that is queued is done.
    pub fn download(&self, source: u64, bytes: &mut [u8]) -> Result<()> {
        self.context.make_current()?;
        // SAFETY: the source lies in an allocation, as `check` found; `bytes` is borrowed until the
        // stream is idle, or the context has failed and copies nothing any more.
        let queued = unsafe {
            sys::cuMemcpyDtoHAsync_v2(bytes.as_mut_ptr().cast(), source, bytes.len(), self.handle)
        };
        let idle = self.synchronize();
        check("cuMemcpyDtoHAsync", queued).and(idle)
    }

    /// Waits until all that is queued is done.
    pub fn synchronize(&self) -> Result<()> {
        self.context.make_current()?;
        // SAFETY: the stream is alive.
        check("cuStreamSynchronize", unsafe {
            sys::cuStreamSynchronize(self.handle)
        })
    }

    /// Makes a graph of what `queue` queues, instead of running it.
    pub fn capture(&self, queue: impl FnOnce(&Stream) -> Result<()>) -> Result<Graph> {
        self.context.make_current()?;
        // Relaxed: a driver that loads kernels only when they are first needed may do so here.
        let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream is alive and not capturing: captures begin and end here.
        check("cuStreamBeginCapture", unsafe {
            sys::cuStreamBeginCapture_v2(self.handle, mode)
        })?;
        let queued = queue(self);
        let mut graph: sys::CUgraph = null_mut();
        // SAFETY: the stream is capturing; `graph` is a place for a handle.
        let ended = unsafe { sys::cuStreamEndCapture(self.handle, &mut graph) };
        let ended = queued.and(check("cuStreamEndCapture", ended));
        let mut handle: sys::CUgraphExec = null_mut();
        let made = ended.and_then(|()| {
            // SAFETY: the graph is complete; `handle` is a place for a handle.
            check("cuGraphInstantiate", unsafe {
                sys::cuGraphInstantiateWithFlags(&mut handle, graph, 0)
            })
        });
        if !graph.is_null() {
            // SAFETY: made by this capture; what was instantiated from it stands alone.
            unsafe { sys::cuGraphDestroy(graph) };
        }
        made.map(|()| Graph {
            handle,
            context: Rc::clone(&self.context),
        })
    }

    /// Queues a graph.
    pub fn run(&self, graph: &Graph) -> Result<()> {
        self.context.make_current()?;
        // SAFETY: both are alive and of one context.
        check("cuGraphLaunch", unsafe {
            sys::cuGraphLaunch(graph.handle, self.handle)
        })
    }

    /// Marks this place in the queue.
    pub fn record(&self, event: &Event) -> Result<()> {
        self.context.make_current()?;
        // SAFETY: both are alive and of one context.
        check("cuEventRecord", unsafe {
            sys::cuEventRecord(event.handle, self.handle)
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.context.make_current().is_ok() {
            // SAFETY: created once; work that is still queued is done first.
            unsafe { sys::cuStreamDestroy_v2(self.handle) };
        }
    }
}

/// Work that can be queued again and again. It refers to kernels and memory: whoever keeps it keeps
/// these.
#[derive(Debug)]
pub struct Graph {
    handle: sys::CUgraphExec,
    context: Rc<Context>,
}

impl Drop for Graph {
    fn drop(&mut self) {
        if self.context.make_current().is_ok() {
            // SAFETY: instantiated once.
            unsafe { sys::cuGraphExecDestroy(self.handle) };
        }
    }
}

/// A place in a queue.
#[derive(Debug)]
pub struct Event {
    handle: sys::CUevent,
    context: Rc<Context>,
}

impl Event {
    /// One that has not been recorded: nothing waits for it.
    pub fn new(context: &Rc<Context>) -> Result<Event> {
        context.make_current()?;
        let mut handle: sys::CUevent = null_mut();
        let flags = sys::CUevent_flags_enum::CU_EVENT_DISABLE_TIMING as u32;
        // SAFETY: a context is current; `handle` is a place for a handle.
        check("cuEventCreate", unsafe {
            sys::cuEventCreate(&mut handle, flags)
        })?;
        Ok(Event {
            handle,
            context: Rc::clone(context),
        })
    }

    /// Waits until the queue has come to where it was last recorded.
    pub fn wait(&self) -> Result<()> {
        self.context.make_current()?;
        // SAFETY: the event is alive.
        check("cuEventSynchronize", unsafe {
            sys::cuEventSynchronize(self.handle)
        })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.context.make_current().is_ok() {
            // SAFETY: created once.
            unsafe { sys::cuEventDestroy_v2(self.handle) };
        }
    }
}

/// Host memory that the device can copy from by itself.
#[derive(Debug)]
pub struct Pinned {
    pointer: *mut u8,
    len: usize,
    context: Rc<Context>,
}

impl Pinned {
    /// So many zeroed bytes, more than none.
    pub fn new(context: &Rc<Context>, len: usize) -> Result<Pinned> {
        context.make_current()?;
        let mut pointer: *mut c_void = null_mut();
        // SAFETY: a context is current; `pointer` is a place for an address.
        check("cuMemHostAlloc", unsafe {
            sys::cuMemHostAlloc(&mut pointer, len, 0)
        })?;
        let pointer: *mut u8 = pointer.cast();
        // SAFETY: `len` bytes begin there, which nobody else has.
        unsafe { pointer.write_bytes(0, len) };
        Ok(Pinned {
            pointer,
            len,
            context: Rc::clone(context),
        })
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes, for writing.
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `len` initialised bytes belong to this value alone. The device may be reading
        // some; those are not written, as the contract of `Stream::upload` says.
        unsafe { std::slice::from_raw_parts_mut(self.pointer, self.len) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.make_current().is_ok() {
            // SAFETY: allocated once; the driver waits for copies from it.
            unsafe { sys::cuMemFreeHost(self.pointer.cast()) };
        }
    }
}
