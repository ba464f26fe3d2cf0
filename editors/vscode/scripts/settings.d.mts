/** The settings as the manifest lists them. */
export function properties(schema: { properties: Record<string, object> }): Record<string, object>;
