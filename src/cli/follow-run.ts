/**
 * Follows a run over the API until its end and seal, and tells its story meanwhile.
 */
import type { Api } from "./api.ts";
import { NO_STORY, type RunStory, tell } from "./run-story.ts";
import type { EventView } from "./wire.ts";

/** Reads every event in order; `onEvent` sees each with the story after it. */
export async function followRun(
  api: Api,
  run: string,
  { signal, onEvent }: { readonly signal: AbortSignal; readonly onEvent: (event: EventView, story: RunStory) => void },
): Promise<RunStory> {
  let story = NO_STORY;
  for await (const event of api.events(run, signal)) {
    story = tell(story, event);
    onEvent(event, story);
  }
  return story;
}
