// What a program knows of answers by the types that openapi-typescript makes: a field of no type would be an error here.
import type { components, paths } from "./api";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Image = paths["/api/images/{s3_key}"]["get"]["responses"]["200"]["content"]["application/json"];
type Refusal = paths["/api/images/{s3_key}"]["get"]["responses"]["404"]["content"]["application/problem+json"];
type Fault = NonNullable<Refusal["errors"]>[number];

export const known: [
  Equal<Image["thumbs"], components["schemas"]["Thumb"][]>,
  Equal<Image["thumbs"][number]["url"], string>,
  Equal<Image["thumbs"][number]["size"]["width"], number>,
  Equal<Image["display"], components["schemas"]["DisplayPicture"] | null>,
  Equal<Refusal["type"], string>,
  Equal<Refusal["code"], string>,
  Equal<Refusal["status"], number>,
  Equal<Fault["detail"], string>,
  Equal<Fault["pointer"], string | undefined>,
] = [true, true, true, true, true, true, true, true, true];
