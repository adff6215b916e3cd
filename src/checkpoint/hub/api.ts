/** The Hub's API. Most commands ask nothing of it, and to load it takes a tenth of the time in which they start. */
export const api = () => import("npm:@huggingface/hub@2.17.5");
