/**
 * The one way in which a route answers: with a value that its description promises, sent as bytes that were prepared. Hono
 * knows the promise by the type `TypedResponse`, which exists for the compiler alone; this is where one is claimed.
 */
import type { Context, TypedResponse } from "hono";
import type { JSONParsed } from "hono/utils/types";
import { type Prepared, prepareJson, send } from "./prepared.ts";

/** A response whose body is the JSON of a `T`. */
export type Answer<T> = Response & TypedResponse<JSONParsed<T>, 200, "json">;

/** Sends a value as JSON. */
export function answer<T>(context: Context, value: T): Answer<T> {
  return answerPrepared<T>(context, prepareJson(value));
}

/** Sends what was prepared of a `T` before. */
export function answerPrepared<T>(context: Context, prepared: Prepared): Answer<T> {
  return send(context, prepared) as Answer<T>;
}
