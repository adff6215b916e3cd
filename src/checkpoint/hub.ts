/** Stub being written. */
export type HubProgress = (progress: { file: string; received: number; size: number }) => void;
export function fetchDatasetFile(_r: string, _p: string, _o: { onProgress?: HubProgress } = {}): Promise<string> { return Promise.reject(new Error("not yet")); }
