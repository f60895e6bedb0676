"""Class activation maps on a GPU, against one view at a time: see `inference_on_card.py`.

python benchmarks/gpu_inference.py [--runs 2] [--photographs 8] [--small] [--images FOLDER]
"""

if __name__ == "__main__":
    # Not for the processes beside the stage, which import this file.
    from inference_on_card import main

    main()
