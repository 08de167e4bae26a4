//! Checking a stranger's bundle takes little memory, whatever its directory says.

mod archive;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use archive::{Entry, archive, index};
use kith_app::{Bundle, BundleError, Limits, MAX_FILES};

/// Most that a check may take, in bytes. An index of [`MAX_FILES`] names is about 4 MB.
const MOST: usize = 32 << 20;

/// Counts what is allocated, and the most that was at once.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code, reason = "an allocator can't be written without")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, since memory is the process's.
static ONE: Mutex<()> = Mutex::new(());

/// What opening a bundle comes to, once it is known to have taken little memory.
fn open(entries: &[Entry]) -> Result<(), BundleError> {
    let bytes = archive(entries);
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let opened = Bundle::open(Cursor::new(bytes), &Limits::default()).map(drop);
    let taken = PEAK.load(Ordering::Relaxed) - before;
    assert!(taken <= MOST, "the check took {taken} bytes");
    opened
}

#[test]
fn names_in_deep_folders() {
    let _one = ONE.lock();
    let deep = "/a".repeat(125);
    let files = (1..MAX_FILES).map(|n| Entry::stored(format!("{n:04}{deep}"), b""));
    let entries: Vec<_> = [index()].into_iter().chain(files).collect();
    open(&entries).expect("deep folders are no fault");
}

#[test]
fn extra_fields_and_comments() {
    let _one = ONE.lock();
    // A field of no bytes has four, and becomes many more in memory.
    let fields = [0xfe, 0xca, 0, 0].repeat(0xffff / 4);
    let with = |change: &dyn Fn(&mut Entry)| {
        let files = (1..500).map(|n| {
            let mut entry = Entry::stored(n.to_string(), b"");
            change(&mut entry);
            entry
        });
        [index()].into_iter().chain(files).collect::<Vec<_>>()
    };
    let found = open(&with(&|entry| entry.extra = fields.clone()));
    assert!(matches!(found, Err(BundleError::TooMuchBeside { .. })), "{found:?}");
    let found = open(&with(&|entry| entry.comment = vec![b'x'; 0xffff]));
    assert!(matches!(found, Err(BundleError::TooMuchBeside { .. })), "{found:?}");
    // What usual programs write is no fault.
    open(&with(&|entry| entry.extra = [0x55, 0x54, 5, 0, 1, 0, 0, 0, 0].to_vec())).expect("a time");
}
