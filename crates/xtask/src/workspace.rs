//! The paths of the sources, the built programs, the tools and the stack's data.

use std::{
    env, io,
    path::{Path, PathBuf},
};

/// The folders of this checkout.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    binaries: PathBuf,
}

impl Workspace {
    /// Derives the folders from the running executable, an xtask or a test. So the services come from the same target
    /// folder and profile.
    ///
    /// # Errors
    /// Returns an error when the executable's path is unknown.
    pub fn locate() -> io::Result<Self> {
        let executable = env::current_exe()?;
        let folder = executable.parent().unwrap_or(Path::new("/"));
        // The executable of a test is one folder deeper than a program.
        let binaries = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).unwrap_or(manifest);
        Ok(Self { root: root.to_owned(), binaries: binaries.to_owned() })
    }

    /// Returns the folder of the workspace's `Cargo.toml`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of a program of this workspace, which may not be built yet.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// Returns the folder of the installed tools.
    #[must_use]
    pub fn tools(&self) -> PathBuf {
        self.target().join("tools")
    }

    /// Returns the folder of the stack that `up` and `demo` start: its record, logs and databases.
    #[must_use]
    pub fn stack(&self) -> PathBuf {
        self.target().join("stack")
    }

    fn target(&self) -> &Path {
        self.binaries.parent().unwrap_or(&self.binaries)
    }
}
