//! What the kernel says of processes: processor time and memory.

/// Processor time in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub gateway: f64,
    generators: f64,
    pub cluster: f64,
    machine: f64,
}

impl Cpu {
    /// As of now; with the processes of a cluster, when there is one of our own.
    pub(crate) fn now(cluster: Option<u32>) -> Cpu {
        let own = stat("self").unwrap();
        Cpu {
            gateway: own.own,
            generators: own.ended,
            cluster: cluster.map_or(0.0, of_cluster),
            machine: of_machine(),
        }
    }

    /// What was spent since.
    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            gateway: self.gateway - before.gateway,
            generators: self.generators - before.generators,
            cluster: self.cluster - before.cluster,
            machine: self.machine - before.machine,
        }
    }

    /// Of what the machine has computed, the part that others had it compute, in percent.
    pub(crate) fn of_others(self) -> f64 {
        let ours = self.gateway + self.generators + self.cluster;
        (self.machine - ours).max(0.0) * 100.0 / self.machine
    }
}

struct Stat {
    parent: u32,
    own: f64,
    /// Of children that have ended.
    ended: f64,
}

/// Microseconds of a tick of the clock in `/proc`.
const TICK: f64 = 1e4;

/// What `/proc` says of a process.
fn stat(pid: &str) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may hold anything but ends with the last bracket.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 2..)?.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: (ticks(11)? + ticks(12)?) * TICK,
        ended: (ticks(13)? + ticks(14)?) * TICK,
    })
}

/// The processes of a cluster together, those that have ended included.
pub(crate) fn of_cluster(pid: u32) -> f64 {
    let processes = std::fs::read_dir("/proc").unwrap();
    processes
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let stat = stat(&name)?;
            match name.parse::<u32>() {
                Ok(own) if own == pid => Some(stat.own + stat.ended),
                Ok(_) if stat.parent == pid => Some(stat.own),
                _ => None,
            }
        })
        .sum()
}

/// All that was computed on the machine: everything in its line but idle and waiting.
fn of_machine() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap();
    let line = text.lines().next().unwrap_or_default();
    line.split_whitespace()
        .skip(1)
        .take(8)
        .enumerate()
        .filter(|(at, _)| !matches!(at, 3 | 4))
        .map(|(_, ticks)| ticks.parse::<f64>().unwrap() * TICK)
        .sum()
}

/// Processor time of one process in microseconds.
pub(crate) fn cpu_of(pid: u32) -> f64 {
    stat(&pid.to_string()).unwrap().own
}

/// Memory of a process in MiB: resident now, and the most it ever was.
pub(crate) fn memory_of(pid: u32) -> (f64, f64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.and_then(|kib| kib.parse::<f64>().ok()).unwrap() / 1024.0
    };
    (of("VmRSS:"), of("VmHWM:"))
}
