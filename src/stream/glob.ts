/** Name globs: `*` is any run of characters, `?` any one; the whole name must match, or end with the glob after a dot. */

/** A glob over tensor names as a regular expression: `mlp.up_proj` and `model.layers.*.mlp.up_proj` both find a linear. */
export function globToRegExp(glob: string): RegExp {
  const body = glob.replace(/[\\^$.|+()[\]{}]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return new RegExp(`^(?:.*\\.)?${body}$`);
}
