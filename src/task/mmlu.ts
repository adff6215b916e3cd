/**
 * MMLU: 57 subjects of school and university, four choices each (Hendrycks et al., 2021). Its examples are the first of
 * the subject's own `dev` part, always the same.
 */
import { z } from "npm:zod@4.6.7";
import { strip } from "../text/python.ts";
import { multipleChoice, reading, type Task } from "./task.ts";

/** The subjects by their groups. */
const SUBJECTS = {
  stem: [
    "abstract_algebra",
    "anatomy",
    "astronomy",
    "college_biology",
    "college_chemistry",
    "college_computer_science",
    "college_mathematics",
    "college_physics",
    "computer_security",
    "conceptual_physics",
    "electrical_engineering",
    "elementary_mathematics",
    "high_school_biology",
    "high_school_chemistry",
    "high_school_computer_science",
    "high_school_mathematics",
    "high_school_physics",
    "high_school_statistics",
    "machine_learning",
  ],
  other: [
    "business_ethics",
    "clinical_knowledge",
    "college_medicine",
    "global_facts",
    "human_aging",
    "management",
    "marketing",
    "medical_genetics",
    "miscellaneous",
    "nutrition",
    "professional_accounting",
    "professional_medicine",
    "virology",
  ],
  social_sciences: [
    "econometrics",
    "high_school_geography",
    "high_school_government_and_politics",
    "high_school_macroeconomics",
    "high_school_microeconomics",
    "high_school_psychology",
    "human_sexuality",
    "professional_psychology",
    "public_relations",
    "security_studies",
    "sociology",
    "us_foreign_policy",
  ],
  humanities: [
    "formal_logic",
    "high_school_european_history",
    "high_school_us_history",
    "high_school_world_history",
    "international_law",
    "jurisprudence",
    "logical_fallacies",
    "moral_disputes",
    "moral_scenarios",
    "philosophy",
    "prehistory",
    "professional_law",
    "world_religions",
  ],
} as const;

const LETTERS = ["A", "B", "C", "D"];

function subjectTask(subject: string): Task {
  return {
    name: `mmlu_${subject}`,
    version: 1,
    set: { id: "cais/mmlu", config: subject, split: "test" },
    file: "mmlu-test",
    subject,
    examples: { from: { file: "mmlu-dev", split: "dev" }, which: "first", leaveOut: false },
    description: "The following are multiple choice questions (with answers) about " +
      `${subject.replaceAll("_", " ")}.\n\n`,
    metrics: ["acc"],
    read: reading({
      schema: z.object({ question: z.string(), choices: z.array(z.string()).length(4), answer: z.number() }),
      document: ({ question, choices, answer }) => {
        const lines = choices.map((choice, i) => `${LETTERS[i]}. ${choice}\n`).join("");
        return multipleChoice(`${strip(question)}\n${lines}Answer:`, LETTERS, answer);
      },
    }),
  };
}

/** The tasks of each group of subjects. */
export const MMLU: Readonly<Record<string, readonly Task[]>> = Object.fromEntries(
  Object.entries(SUBJECTS).map(([group, subjects]) => [`mmlu_${group}`, subjects.map(subjectTask)]),
);
