//! The `palisade` command.

use std::process::ExitCode;

use clap::Parser;

/// A request takes and gives back memory some hundred times, some of it on another thread than it was taken on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of a worker thread. Requests are futures within futures, and policies are evaluated on top of them: without optimisation 2 MiB, which is Tokio's
/// own, are not always enough. What is not used takes no memory.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    match runtime {
        Ok(runtime) => runtime.block_on(palisade::cli::Cli::parse().run()),
        Err(error) => {
            eprintln!("palisade: cannot start threads: {error}");
            ExitCode::FAILURE
        }
    }
}
