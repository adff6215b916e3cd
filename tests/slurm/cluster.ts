/**
 * A Slurm cluster on this machine: the controller, three nodes that are three daemons with ports of their own, and munge, all
 * of them Debian's, as child processes of the test. It needs root, no systemd and no cgroups: processes are tracked by
 * /proc (`proctrack/linuxproc`), and tasks are bound to nothing (`task/none`).
 */
import { join } from "node:path";

/** The nodes' names. */
export const NODES = ["n1", "n2", "n3"];

/** Seconds of silence after which a node is down. Slurm asks at a third of that. */
const NODE_TIMEOUT_S = 3;

/** Seconds until a job whose node died may begin again: its old credential must have run out by then. Slurm takes no fewer. */
const CREDENTIAL_S = 5;

const config = (folder: string, ports: readonly number[]) => `
ClusterName=pare
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=${folder}/munge/socket,cred_expire=${CREDENTIAL_S}
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool-%n
SlurmctldPidFile=${folder}/controller.pid
SlurmdPidFile=${folder}/%n.pid
SlurmctldLogFile=${folder}/controller.log
SlurmdLogFile=${folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdTimeout=${NODE_TIMEOUT_S}
KillWait=2
ReturnToService=2
JobRequeue=1
MinJobAge=600
${
  NODES.map((node, at) =>
    `NodeName=${node} NodeHostname=localhost NodeAddr=127.0.0.1 Port=${ports[at + 1]} CPUs=1 RealMemory=1000`
  ).join("\n")
}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;

/** Ports that nobody has. */
function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** Waits until something holds. @throws Error saying what does not, with the controller's log. */
export async function until(what: string, seconds: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** See the file's head. */
export class Cluster implements AsyncDisposable {
  readonly #daemons = new Map<string, Deno.ChildProcess>();
  readonly #env: Record<string, string>;

  private constructor(readonly folder: string, env: Record<string, string>) {
    this.#env = { ...env, SLURM_CONF: join(folder, "slurm.conf") };
  }

  /** Starts all of it in an empty folder. @param env Of the jobs, beside this process's own. */
  static async start(folder: string, env: Record<string, string>): Promise<Cluster> {
    const cluster = new Cluster(folder, env),
      key = crypto.getRandomValues(new Uint8Array(1024)),
      munge = join(folder, "munge");
    for (const name of ["munge", "state", ...NODES.map((node) => `spool-${node}`)]) {
      await Deno.mkdir(join(folder, name), { mode: 0o700 });
    }
    await Deno.writeFile(join(munge, "key"), key, { mode: 0o600 });
    await Deno.writeTextFile(join(folder, "slurm.conf"), config(folder, freePorts(1 + NODES.length)));
    const places = ["key-file", "socket", "pid-file", "log-file", "seed-file"].map((flag) =>
      `--${flag}=${munge}/${flag.replace(/-file$/, "")}`
    );
    cluster.#start("munged", "munged", "--foreground", "--force", ...places);
    await until("munge's socket", 10, () => Deno.stat(join(munge, "socket")).then(() => true, () => false));
    cluster.#start("slurmctld", "slurmctld", "-D");
    for (const node of NODES) cluster.#start(node, "slurmd", "-D", "-N", node);
    await until("all nodes idle", 30, async () => {
      const { out } = await cluster.run("sinfo", "--noheader", "--Node", "--format=%N %T").catch(() => ({ out: "" }));
      return out.split("\n").filter((line) => / idle$/.test(line)).length === NODES.length;
    });
    return cluster;
  }

  #start(name: string, command: string, ...args: string[]): void {
    const output = { stdin: "null", stdout: "null", stderr: "null" } as const;
    this.#daemons.set(name, new Deno.Command(command, { args, env: this.#env, ...output }).spawn());
  }

  /** Runs one of Slurm's commands. @throws Error if it fails. */
  async run(command: string, ...args: string[]): Promise<{ readonly out: string }> {
    const { code, stdout, stderr } = await new Deno.Command(command, { args, env: this.#env, stdin: "null" }).output();
    if (code) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return { out: new TextDecoder().decode(stdout).trim() };
  }

  /** The processes of a node's jobs; without the daemons that watch over them. */
  processesOf(node: string): number[] {
    return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((id) => {
      const environment = read(`/proc/${id}/environ`).split("\0");
      return environment.includes(`SLURMD_NODENAME=${node}`) &&
        environment.includes(`SLURM_CONF=${this.#env.SLURM_CONF}`);
    });
  }

  /** A node goes as when its power is cut: its daemon, those of its jobs' steps, and all processes of these, at once. */
  async kill(node: string): Promise<void> {
    const jobs = this.processesOf(node);
    const watchers = jobs.map((id) => Number(/^PPid:\s+(\d+)$/m.exec(read(`/proc/${id}/status`))?.[1]))
      .filter((id) => read(`/proc/${id}/comm`).startsWith("slurmstepd"));
    const daemon = this.#daemons.get(node)!;
    for (const id of new Set([...watchers, ...jobs])) {
      try {
        Deno.kill(id, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    daemon.kill("SIGKILL");
    await daemon.status;
    this.#daemons.delete(node);
  }

  /** Ends what was started, jobs before their daemons. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of NODES) if (this.#daemons.has(node)) await this.kill(node);
    for (const daemon of this.#daemons.values()) {
      daemon.kill("SIGTERM");
      await daemon.status;
    }
  }
}

/** A file of a process that may be gone. */
function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
