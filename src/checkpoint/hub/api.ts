/** The Hub's API, loaded where it is asked: to load it takes longer than to start Deno, and most commands ask nothing of it. */
export const api = () => import("npm:@huggingface/hub@2.17.5");
