//! The promises of billing-lake, each proved by a module of its name.

mod a_bad_day_is_survived;
mod a_broken_page_gives_its_rows_once;
mod a_restated_period_replaces_the_old_one;
mod a_torn_read_is_read_again;
mod a_wrong_key_is_told;
mod an_unchanged_run_downloads_nothing;
mod broken_pages_are_named;
mod cells;
mod convert_fills_the_same_lake;
mod decode_agrees_with_a_plain_reading;
mod decode_takes_golden_pages;
mod faults;
mod memory_is_a_bound;
mod moved_clock;
mod only_chosen_periods_are_fetched;
mod oracle;
mod program;
mod published;
mod rejected_rows_are_kept_with_reason_and_text;
mod scripted_server;
mod simulated_api;
mod the_data_dictionary_is_in_step;
mod the_key_goes_nowhere_else;
mod the_lake_survives_damage;
mod waits_are_kept;
mod what_the_command_line_says;
