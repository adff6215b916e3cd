/**
 * What the operating system says, in the user's words. A full disk or a missing permission is something that a user
 * can mend, so it becomes a PareError naming the path; every other error is a bug and passes through untouched.
 */
import { codeOf, PareError } from "../errors.ts";

/** The codes of POSIX that a user can do something about. */
const MEANING: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBUSY: "it is in use (a mount point, perhaps)",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it exists already",
  EFBIG: "the file would be larger than the system allows",
  EIO: "the disk reports an input/output error",
  EISDIR: "it is a directory",
  ELOOP: "its symbolic links go round in circles",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  ENFILE: "too many open files",
  ENOENT: "no such file or directory",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is not a directory",
  ENOTEMPTY: "the directory is not empty",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ESTALE: "the network file system lost it",
};

/** The POSIX code of an error that the operating system gave, such as `ENOSPC`; undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  const code = codeOf(error);
  return typeof code === "string" && code in MEANING ? code : undefined;
}

/**
 * `cannot <verb> <path>: <what the system says>`, to be thrown; an error that is not the system's comes back as it is.
 * @param verb what was being done: "read", "write", …
 */
export function systemError(verb: string, path: string, error: unknown): unknown {
  const code = systemCode(error);
  return code === undefined ? error : new PareError(`cannot ${verb} ${path}: ${MEANING[code]}`, { cause: error });
}
